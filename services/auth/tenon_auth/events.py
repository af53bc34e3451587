"""What auth tells the others."""

from datetime import datetime
from enum import IntEnum
from uuid import UUID

from tenon.auth.v1 import events_pb2, second_factor_pb2
from tenon.auth.v1.events_pb2 import (
    ApiKeyCreated,
    ApiKeyRevoked,
    ApiKeyRotated,
    EmailChanged,
    EmailChangeRequested,
    EmailChangeUndone,
    ErasureFinished,
    ExportFinished,
    IdentityLinked,
    LogInLinkRequested,
    PasswordChanged,
    PasswordForgotten,
    RecoveryCodesReplaced,
    RecoveryCodeUsed,
    SecondFactorAdded,
    SecondFactorRemoved,
    SessionEnded,
    SessionStarted,
    SignUpRepeated,
    SignUpRequested,
    UserErased,
    UserSignedUp,
    VerificationRequested,
)
from tenon_core.events import Event
from tenon_policy.records import deed as recorded
from tenon_rpc.times import packed_time


class SessionEndCause(IntEnum):
    """Why a session ended before its time."""

    LOG_OUT = events_pb2.SESSION_END_CAUSE_LOG_OUT
    REVOKED = events_pb2.SESSION_END_CAUSE_REVOKED
    TOKEN_REUSED = events_pb2.SESSION_END_CAUSE_TOKEN_REUSED
    PASSWORD_CHANGED = events_pb2.SESSION_END_CAUSE_PASSWORD_CHANGED
    TOO_MANY = events_pb2.SESSION_END_CAUSE_TOO_MANY
    EMAIL_CHANGED = events_pb2.SESSION_END_CAUSE_EMAIL_CHANGED
    ERASED = events_pb2.SESSION_END_CAUSE_ERASED


def sign_up_requested(user_id: UUID, link_id: UUID) -> Event:
    payload = SignUpRequested(user_id=str(user_id), link_id=str(link_id))
    return Event.of(payload, user_id=user_id)


def sign_up_repeated(user_id: UUID, link_id: UUID) -> Event:
    payload = SignUpRepeated(user_id=str(user_id), link_id=str(link_id))
    return Event.of(payload, user_id=user_id)


def user_signed_up(
    user_id: UUID, link_id: UUID | None = None, send_time: datetime | None = None
) -> Event:
    """Tell of an account; `link_id` is by what its address is verified, if it is not."""
    payload = UserSignedUp(
        user_id=str(user_id), link_id=str(link_id or ""), send_time=packed_time(send_time)
    )
    return Event.of(payload, user_id=user_id)


def verification_requested(
    user_id: UUID, link_id: UUID, send_time: datetime | None = None
) -> Event:
    payload = VerificationRequested(
        user_id=str(user_id), link_id=str(link_id), send_time=packed_time(send_time)
    )
    return Event.of(payload, user_id=user_id)


def session_started(user_id: UUID, session_id: UUID, *, new_device: bool) -> Event:
    payload = SessionStarted(
        user_id=str(user_id), session_id=str(session_id), new_device=new_device
    )
    return Event.of(payload, user_id=user_id)


def session_ended(user_id: UUID, session_id: UUID, cause: SessionEndCause) -> Event:
    payload = SessionEnded(
        user_id=str(user_id),
        session_id=str(session_id),
        cause=events_pb2.SessionEndCause.ValueType(cause),
    )
    return Event.of(payload, user_id=user_id)


def password_changed(user_id: UUID) -> Event:
    return Event.of(PasswordChanged(user_id=str(user_id)), user_id=user_id)


def log_in_link_requested(user_id: UUID, link_id: UUID) -> Event:
    payload = LogInLinkRequested(user_id=str(user_id), link_id=str(link_id))
    return Event.of(payload, user_id=user_id)


def password_forgotten(user_id: UUID, link_id: UUID, send_time: datetime | None = None) -> Event:
    payload = PasswordForgotten(
        user_id=str(user_id), link_id=str(link_id), send_time=packed_time(send_time)
    )
    return Event.of(payload, user_id=user_id)


def identity_linked(user_id: UUID, identity_id: UUID) -> Event:
    payload = IdentityLinked(user_id=str(user_id), identity_id=str(identity_id))
    return Event.of(payload, user_id=user_id)


def operated(deed: str, operator: str, resource: str, user_id: UUID | None = None) -> Event:
    """Return the audit record of what an operator did by a command; it goes to the log of the user
    whom it concerns, or else to that of the services.
    """
    action = f"auth.operators.{deed}"
    return recorded(action, f"operators/{operator}", resource, user_id=user_id)


def api_key_created(org_id: UUID, key_id: UUID, user_id: UUID) -> Event:
    payload = ApiKeyCreated(org_id=str(org_id), key_id=str(key_id), user_id=str(user_id))
    return Event.of(payload, org_id=org_id)


def api_key_rotated(org_id: UUID, key_id: UUID, user_id: UUID) -> Event:
    payload = ApiKeyRotated(org_id=str(org_id), key_id=str(key_id), user_id=str(user_id))
    return Event.of(payload, org_id=org_id)


def api_key_revoked(org_id: UUID, key_id: UUID) -> Event:
    return Event.of(ApiKeyRevoked(org_id=str(org_id), key_id=str(key_id)), org_id=org_id)


def second_factor_added(user_id: UUID, kind: int) -> Event:
    payload = SecondFactorAdded(user_id=str(user_id), kind=_packed_kind(kind))
    return Event.of(payload, user_id=user_id)


def second_factor_removed(user_id: UUID, kind: int) -> Event:
    payload = SecondFactorRemoved(user_id=str(user_id), kind=_packed_kind(kind))
    return Event.of(payload, user_id=user_id)


def recovery_code_used(user_id: UUID) -> Event:
    return Event.of(RecoveryCodeUsed(user_id=str(user_id)), user_id=user_id)


def recovery_codes_replaced(user_id: UUID) -> Event:
    return Event.of(RecoveryCodesReplaced(user_id=str(user_id)), user_id=user_id)


def _packed_kind(kind: int) -> "second_factor_pb2.SecondFactorKind.ValueType":
    return second_factor_pb2.SecondFactorKind.ValueType(kind)


def email_change_requested(
    user_id: UUID, link_id: UUID, send_time: datetime | None = None
) -> Event:
    payload = EmailChangeRequested(
        user_id=str(user_id), link_id=str(link_id), send_time=packed_time(send_time)
    )
    return Event.of(payload, user_id=user_id)


def email_changed(user_id: UUID, link_id: UUID | None) -> Event:
    """Tell of another address; `link_id` is by what the old one comes back, if it can."""
    payload = EmailChanged(user_id=str(user_id), link_id=str(link_id or ""))
    return Event.of(payload, user_id=user_id)


def email_change_undone(user_id: UUID, link_id: UUID) -> Event:
    payload = EmailChangeUndone(user_id=str(user_id), link_id=str(link_id))
    return Event.of(payload, user_id=user_id)


def user_erased(user_id: UUID) -> Event:
    return Event.of(UserErased(user_id=str(user_id)), user_id=user_id)


def erasure_finished(erasure_id: UUID) -> Event:
    """Tell that nothing is left of somebody; nobody but the erasure itself is named."""
    return Event.of(ErasureFinished(erasure_id=str(erasure_id)), user_id=erasure_id)


def export_finished(user_id: UUID, export_id: UUID) -> Event:
    payload = ExportFinished(user_id=str(user_id), export_id=str(export_id))
    return Event.of(payload, user_id=user_id)
