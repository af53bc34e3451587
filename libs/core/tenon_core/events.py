"""What a service tells the others."""

from dataclasses import dataclass
from typing import Self
from uuid import UUID

from google.protobuf.message import Message


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, to be committed together with its cause.

    `org_id` names the organization it happened in; outside any, `user_id` names
    the person whose own data it concerns.
    """

    type: str
    payload: bytes
    org_id: UUID | None = None
    user_id: UUID | None = None

    @classmethod
    def of(
        cls, message: Message, *, org_id: UUID | None = None, user_id: UUID | None = None
    ) -> Self:
        """Pack a payload message; its full name is the event's type."""
        return cls(message.DESCRIPTOR.full_name, message.SerializeToString(), org_id, user_id)
