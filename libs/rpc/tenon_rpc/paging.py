"""Page tokens belong to one list: the method, its filters, and whose list it is.

A service's token holds only a position. The digest of the list is put in front of it here, for
every RPC that has `page_token` and `next_page_token`. The digest needs no secret: it tells lists
apart, and which rows a caller may see is not decided by a token.
"""

import base64
import hashlib
from collections.abc import Awaitable, Callable
from hmac import compare_digest
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from tenon_core.errors import InvalidPageToken
from tenon_policy.call import Call
from tenon_policy.policies import Access

DIGEST_BYTES = 12
DIGEST_CHARS = 16


def is_list(method: MethodDescriptor) -> bool:
    return (
        "page_token" in method.input_type.fields_by_name
        and "next_page_token" in method.output_type.fields_by_name
    )


def bound_to_list(
    behavior: Callable[..., Any], current_call: Callable[[], Call]
) -> Callable[[Any, Any], Awaitable[Message]]:
    """Return a list RPC that takes only the page tokens that it gave out; InvalidPageToken."""

    async def list_page(request: Any, context: Any) -> Message:
        digest = _digest(current_call(), request)
        request.page_token = _position(request.page_token, digest)
        reply = await behavior(request, context)
        if reply.next_page_token:
            reply.next_page_token = digest + reply.next_page_token
        return reply  # type: ignore[no-any-return] # the method's response

    return list_page


def _digest(call: Call, request: Message) -> str:
    """Name the list: what is asked for, but for the place in it."""
    asked = type(request)()
    asked.CopyFrom(request)
    for field in ("page_token", "page_size"):
        asked.ClearField(field)
    caller = str(call.user_id) if call.policy.access is Access.USER else ""
    hashed = hashlib.sha256(f"{call.policy.method}\n{caller}\n".encode())
    hashed.update(asked.SerializeToString(deterministic=True))
    return base64.urlsafe_b64encode(hashed.digest()[:DIGEST_BYTES]).decode()


def _position(token: str, digest: str) -> str:
    if not token:
        return ""
    if not compare_digest(token[:DIGEST_CHARS].encode(), digest.encode()):
        raise InvalidPageToken.of_another_list()
    return token[DIGEST_CHARS:]
