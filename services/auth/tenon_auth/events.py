"""What auth tells the others."""

from uuid import UUID

from tenon.auth.v1.events_pb2 import SessionEnded, UserSignedUp
from tenon_core.events import Event


def user_signed_up(user_id: UUID) -> Event:
    return Event.of(UserSignedUp(user_id=str(user_id)), user_id=user_id)


def session_ended(user_id: UUID, session_id: UUID) -> Event:
    payload = SessionEnded(user_id=str(user_id), session_id=str(session_id))
    return Event.of(payload, user_id=user_id)
