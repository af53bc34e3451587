"""Lines on their way out: as a request to a webhook, or as an object for a bucket.

Both are requests of ours to addresses that were judged: a driver of S3 would connect by itself.
"""

import base64
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import UUID

from tenon_core import clock
from tenon_outbound.errors import OutboundError
from tenon_outbound.sending import Outbound
from tenon_tenancy.audit_streams.models import AuditStream, Bucket, Target, Webhook

MAX_RETRY_AFTER = 24 * 3_600.0
MAX_DIGITS = 9
JSON = "application/json"
JSON_LINES = "application/x-ndjson"
AUDIT_EVENTS, TEST = "audit_events", "test"
"""Types of what webhooks get."""
SECRET_PREFIX = "whsec_"  # noqa: S105 # how Standard Webhooks' secrets begin
SECRET_BYTES = 32


class NotTaken(Exception):
    """Lines were not delivered; the message says why, to whoever chose the address.

    `retry_after` is the time in seconds that the receiver asked to wait, at most a day.
    """

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is sent together: to a webhook a JSON document, to a bucket JSON Lines as an object of
    this name. The id is the same each time.
    """

    id: UUID
    body: bytes
    name: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    url: str
    headers: Mapping[str, str]


class Sender:
    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound

    def require(self, target: Target) -> None:
        """Refuse an address that nothing would be sent to; OutboundError."""
        self._outbound.require(target.address)

    async def send(self, stream: AuditStream, parcel: Parcel, seconds: float) -> None:
        """Send a parcel to where a stream leads, once, within so many seconds; NotTaken."""
        request = _request(stream, parcel, clock.now())
        try:
            reply = await self._outbound.send(
                request.method,
                request.url,
                headers=request.headers,
                body=parcel.body,
                seconds=seconds,
            )
        except OutboundError as error:
            raise NotTaken(str(error)) from error
        if not 200 <= reply.status < 300:  # noqa: PLR2004 # HTTP's successes
            wait = read_retry_after(reply.headers.get("retry-after", ""), clock.now())
            raise NotTaken(f"it answered with status {reply.status}", wait)


def webhook_parcel(
    parcel_id: UUID, at: datetime, kind: str, events: Sequence[Mapping[str, Any]]
) -> Parcel:
    """Write a webhook's document, in the form that Standard Webhooks recommends."""
    said = {"type": kind, "timestamp": at.isoformat(), "data": {"events": events}}
    return Parcel(parcel_id, json.dumps(said, ensure_ascii=False).encode())


def new_secret() -> str:
    """Return a secret for a webhook, as Standard Webhooks writes it."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def _request(stream: AuditStream, parcel: Parcel, at: datetime) -> Request:
    match stream.target:
        case Webhook(url):
            return Request("POST", url, _signed(stream.secrets(at), parcel, at))
        case Bucket() as bucket:
            return _signed_put(bucket, stream.secret, f"{stream.org_id}/{parcel.name}", parcel.body)


def read_retry_after(header: str, at: datetime) -> float:
    """Return for how many seconds a Retry-After header asks, at most a day; 0 if for none."""
    text = header.strip()
    if text.isdecimal():
        seconds = float(text[:MAX_DIGITS])
    else:
        try:
            seconds = (parsedate_to_datetime(text) - at).total_seconds()
        except (ValueError, TypeError):
            return 0.0
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)


def _signed(secrets: Sequence[str], parcel: Parcel, at: datetime) -> dict[str, str]:
    """Return the headers that Standard Webhooks asks for, with a signature for each secret."""
    time = str(int(at.timestamp()))
    said = f"{parcel.id}.{time}.".encode() + parcel.body
    return {
        "content-type": JSON,
        "webhook-id": str(parcel.id),
        "webhook-timestamp": time,
        "webhook-signature": " ".join(_signature(secret, said) for secret in secrets),
    }


def _signature(secret: str, said: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    return f"v1,{base64.b64encode(hmac.digest(key, said, 'sha256')).decode()}"


def _signed_put(bucket: Bucket, secret: str, key: str, body: bytes) -> Request:
    """Return the request that puts an object, signed as S3 asks for (Signature Version 4)."""
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    name = "/".join(filter(None, (bucket.bucket, bucket.prefix, key)))
    url = f"{bucket.endpoint.rstrip('/')}/{name}"
    request = AWSRequest("PUT", url, data=body, headers={"content-type": JSON_LINES})
    S3SigV4Auth(Credentials(bucket.access_key, secret), "s3", bucket.region).add_auth(request)
    return Request("PUT", url, dict(request.headers.items()))
