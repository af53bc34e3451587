"""Auth and tenancy as those who know grants and keys for certain, asked over gRPC."""

from collections.abc import Collection, Mapping, Sequence
from ipaddress import ip_network
from uuid import UUID

import grpc
import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from tenon.auth.v1.session_service_pb2 import CheckSessionsRequest
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon.auth.v1.signing_key_service_pb2 import JsonWebKey, ListSigningKeysRequest
from tenon.auth.v1.signing_key_service_pb2_grpc import SigningKeyServiceStub
from tenon.tenancy.v1.member_service_pb2 import (
    CheckAccountsRequest,
    CheckMembershipsRequest,
    MembershipKey,
)
from tenon.tenancy.v1.member_service_pb2_grpc import MemberServiceStub
from tenon.tenancy.v1.policy_service_pb2 import CheckDemandsRequest
from tenon.tenancy.v1.policy_service_pb2 import Demands as DemandsMessage
from tenon.tenancy.v1.policy_service_pb2_grpc import PolicyServiceStub
from tenon_core.errors import Code, TenonError
from tenon_core.ids import parse_id
from tenon_policy.demands import Demands
from tenon_policy.grants import MemberKey
from tenon_policy.policies import Role
from tenon_rpc.channel import seconds_left

ANSWER_SECONDS = 2.0
"""What an owner has for an answer: who waits for it has something to do with it afterwards."""

SECONDS_PER_HOUR = 3_600


class AuthOwner:
    """Auth: live sessions and signing keys."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._sessions = SessionServiceStub(channel)
        self._keys = SigningKeyServiceStub(channel)

    async def live_sessions(self, session_ids: Sequence[UUID]) -> Collection[UUID]:
        reply = await self._sessions.CheckSessions(
            CheckSessionsRequest(ids=[str(session_id) for session_id in session_ids]),
            timeout=_answer_seconds(),
        )
        return {UUID(session_id) for session_id in reply.live_ids}

    async def signing_keys(self) -> Mapping[str, RSAPublicKey]:
        reply = await self._keys.ListSigningKeys(
            ListSigningKeysRequest(), timeout=_answer_seconds()
        )
        return {key.kid: _public_key(key) for key in reply.keys}


class TenancyOwner:
    """Tenancy: memberships, and what organizations demand."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._members = MemberServiceStub(channel)
        self._policies = PolicyServiceStub(channel)

    async def roles(self, members: Sequence[MemberKey]) -> Sequence[Role]:
        keys = [
            MembershipKey(org_id=str(member.org_id), user_id=str(member.user_id))
            for member in members
        ]
        reply = await self._members.CheckMemberships(
            CheckMembershipsRequest(keys=keys), timeout=_answer_seconds()
        )
        return [Role(role) for role in reply.roles]

    async def accounts(self, org_ids: Sequence[UUID]) -> Sequence[UUID | None]:
        reply = await self._members.CheckAccounts(
            CheckAccountsRequest(org_ids=map(str, org_ids)), timeout=_answer_seconds()
        )
        return [parse_id(account_id) for account_id in reply.account_ids]

    async def demands(self, org_ids: Sequence[UUID]) -> Sequence[Demands]:
        request = CheckDemandsRequest(org_ids=map(str, org_ids))
        try:
            reply = await self._policies.CheckDemands(request, timeout=_answer_seconds())
        except TenonError as error:
            if error.code is Code.UNIMPLEMENTED:  # an older tenancy, in which nobody can demand
                return [Demands(0)] * len(org_ids)
            raise
        return [_unpacked(item) for item in reply.items]


def _unpacked(item: DemandsMessage) -> Demands:
    return Demands(
        item.version,
        item.mfa_required,
        item.session_hours * SECONDS_PER_HOUR,
        tuple(map(ip_network, item.allowed_networks)),
    )


def _answer_seconds() -> float:
    return min(ANSWER_SECONDS, seconds_left())


def _public_key(key: JsonWebKey) -> RSAPublicKey:
    parsed = jwt.PyJWK({"kty": key.kty, "alg": key.alg, "n": key.n, "e": key.e}).key
    assert isinstance(parsed, RSAPublicKey)
    return parsed
