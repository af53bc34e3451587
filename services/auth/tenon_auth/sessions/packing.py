"""Users and sessions as they travel."""

from typing import Any
from uuid import UUID

from tenon.auth.v1 import session_pb2, user_pb2
from tenon.auth.v1.second_factor_pb2 import SecondFactorKind
from tenon_auth.devices.models import Device
from tenon_auth.devices.names import device_name
from tenon_auth.sessions.models import SecondStep, Session, Tokens
from tenon_auth.users.models import User
from tenon_rpc.times import packed_time


def packed_user(user: User) -> user_pb2.User:
    return user_pb2.User(
        id=str(user.id),
        email=user.email,
        name=user.name,
        email_verified=user.email_verified,
        create_time=packed_time(user.create_time),
    )


def packed_session(session: Session, asking: UUID | None) -> session_pb2.Session:
    """Pack a session; `asking` is that of who asks."""
    return session_pb2.Session(
        id=str(session.id),
        create_time=packed_time(session.create_time),
        expire_time=packed_time(session.expire_time),
        last_seen_time=packed_time(session.rotate_time),
        device=device_name(session.user_agent or ""),
        ip_address=session.ip_address or "",
        current=session.id == asking,
        auth_time=packed_time(session.auth_time),
        methods=session.methods,
    )


def packed_tokens(tokens: Tokens) -> session_pb2.Tokens:
    return session_pb2.Tokens(
        access_token=tokens.access_token,
        access_expire_time=packed_time(tokens.access_expire_time),
        refresh_token=tokens.refresh_token,
        refresh_expire_time=packed_time(tokens.refresh_expire_time),
        device_token=tokens.device_token,
    )


def step_fields(step: SecondStep) -> dict[str, Any]:
    """Return what a reply says in place of user and session."""
    return {
        "mfa_required": True,
        "mfa_token": step.token,
        "mfa_methods": map(SecondFactorKind.ValueType, step.kinds),
        "tokens": session_pb2.Tokens(device_token=step.device_token),
    }


def read_device(device: session_pb2.Device) -> Device:
    return Device(device.user_agent, device.ip_address, device.token)
