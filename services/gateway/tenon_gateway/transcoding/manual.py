"""What the document has to be told of the routes that are written by hand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Content:
    """A body: a message's fields, or any schema.

    `omit` leaves out fields of the message, and `extra` adds members with their schemas. `optional`
    are those that a reply may lack.
    """

    message: type[Message] | None = None
    omit: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    extra: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    schema: Mapping[str, Any] = field(default_factory=dict)
    media_type: str = JSON


@dataclass(frozen=True, slots=True)
class ManualOperation:
    """A route that is written by hand.

    `rpcs` are the paths of the RPCs that it calls. The first one's policy is the operation's; its
    comment describes the operation where `summary` does not. Without RPCs anybody may call, and
    `name` and `tag` are required. `query` has the schemas of the query parameters.
    """

    method: str
    path: str
    rpcs: tuple[str, ...] = ()
    name: str = ""
    tag: str = ""
    summary: str = ""
    query: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    body: Content | None = None
    status: int = 200
    reply: Content | None = None
