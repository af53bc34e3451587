"""The policy of each RPC, read from the protos and checked before anything is served."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from google.api import annotations_pb2
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor, ServiceDescriptor

from tenon.options.v1 import options_pb2
from tenon.tenancy.v1 import role_pb2
from tenon_policy.bounds import missing_bounds

NO_AUDIT = "NONE"
UPDATE_MASK = "update_mask"


class Access(IntEnum):
    PUBLIC = options_pb2.ACCESS_PUBLIC
    USER = options_pb2.ACCESS_USER
    ORG = options_pb2.ACCESS_ORG
    SERVICE = options_pb2.ACCESS_SERVICE
    KEY = options_pb2.ACCESS_KEY


AUTHENTICATED = frozenset({Access.USER, Access.ORG, Access.KEY})
"""What needs a session or an API key."""


class Idempotency(IntEnum):
    SAFE = options_pb2.IDEMPOTENCY_SAFE
    NATURAL = options_pb2.IDEMPOTENCY_NATURAL
    NONE = options_pb2.IDEMPOTENCY_NONE


class Role(IntEnum):
    """What a member may do; each role may do everything that a lesser one may."""

    NONE = role_pb2.ROLE_UNSPECIFIED
    VIEWER = role_pb2.ROLE_VIEWER
    MEMBER = role_pb2.ROLE_MEMBER
    ADMIN = role_pb2.ROLE_ADMIN
    OWNER = role_pb2.ROLE_OWNER


class Demand(IntEnum):
    """What an organization may demand of whoever works in it."""

    MFA = options_pb2.DEMAND_MFA
    SESSION = options_pb2.DEMAND_SESSION
    NETWORKS = options_pb2.DEMAND_NETWORKS


class BadPolicy(Exception):
    """A method's policy is missing or says too little; the process must not start."""


class MissingPolicy(BadPolicy):
    """A method has no policy at all."""

    def __init__(self, method: str) -> None:
        super().__init__(
            f"{method} has no policy: add `option (tenon.options.v1.policy)` to it in its proto"
        )


class MissingBounds(BadPolicy):
    """A field of a method's request may be of any size."""

    def __init__(self, complaint: str) -> None:
        super().__init__(
            f"{complaint}: add it to `(tenon.options.v1.bounds)` of the field in its proto"
        )


@dataclass(frozen=True, slots=True)
class MethodPolicy:
    """What a method says of itself; `method` is its path, `/package.Service/Method`.

    `people_only` is also true where it follows from the rest: no API key has a session of its own,
    or a log-in.
    """

    method: str
    access: Access
    permission: str
    min_role: Role
    peers: frozenset[str]
    rate: str
    invalidates: tuple[str, ...]
    cache_tags: tuple[str, ...]
    audit: str | None
    idempotency: Idempotency
    http_status: int
    recent_auth: bool
    public_seconds: int
    people_only: bool
    exempt_from: frozenset[Demand]
    updates: bool
    """It changes fields of something that is there: its audit record must say what changed."""
    sensitive: frozenset[str]
    """The request's fields whose values are in no audit record."""
    max_request_bytes: int
    """0 where it follows from the bounds of the request's fields."""

    @property
    def writes(self) -> bool:
        return self.idempotency is not Idempotency.SAFE

    def admits_peer(self, peer: str) -> bool:
        return peer in self.peers


def imported_services() -> list[ServiceDescriptor]:
    """Return the services whose stubs this process has imported: all that it serves or calls."""
    files = {
        module.DESCRIPTOR
        for name, module in list(sys.modules.items())
        if name.startswith("tenon.") and hasattr(module, "DESCRIPTOR")
    }
    return [service for file in files for service in file.services_by_name.values()]


def load_policies(services: Iterable[ServiceDescriptor]) -> dict[str, MethodPolicy]:
    """Return the policies of all methods by path; BadPolicy names the first bad one."""
    return {
        policy.method: policy
        for service in services
        for policy in (read_policy(method) for method in service.methods)
    }


def read_policy(method: MethodDescriptor) -> MethodPolicy:
    """Read and check one method's policy."""
    options = method.GetOptions()
    if not options.HasExtension(options_pb2.policy):
        raise MissingPolicy(method.full_name)
    said = options.Extensions[options_pb2.policy]
    _require_complete(method, said)
    for complaint in missing_bounds(method.input_type):
        raise MissingBounds(complaint)
    access = Access(said.access)
    return MethodPolicy(
        method=f"/{method.containing_service.full_name}/{method.name}",
        access=access,
        permission=said.permission,
        min_role=Role(said.min_role),
        peers=frozenset(said.peers),
        rate=said.rate,
        invalidates=tuple(said.invalidates),
        cache_tags=tuple(said.cache_tags),
        audit=None if said.audit == NO_AUDIT else said.audit,
        idempotency=Idempotency(said.idempotency),
        http_status=said.http_status,
        recent_auth=said.recent_auth,
        public_seconds=said.public_seconds,
        people_only=said.people_only or said.recent_auth or access is Access.USER,
        exempt_from=frozenset(map(Demand, said.exempt_from)),
        updates=_updates(method),
        sensitive=frozenset(
            field.name for field in method.input_type.fields if _is_sensitive(field)
        ),
        max_request_bytes=said.max_request_bytes,
    )


def _updates(method: MethodDescriptor) -> bool:
    """Say whether a method takes an update mask, or its route is a PATCH."""
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    return UPDATE_MASK in method.input_type.fields_by_name or bool(rule.patch)


def _is_sensitive(field: FieldDescriptor) -> bool:
    """Say whether a field is sensitive, or holds one that is."""
    if field.GetOptions().Extensions[options_pb2.sensitive]:
        return True
    message = field.message_type
    if message is None or not message.full_name.startswith("tenon."):
        return False
    return any(map(_is_sensitive, message.fields))


def _require_complete(method: MethodDescriptor, said: options_pb2.Policy) -> None:
    in_org = said.access == options_pb2.ACCESS_ORG
    routed = method.GetOptions().HasExtension(annotations_pb2.http)
    demands = {
        "access": bool(said.access),
        "audit (an action, or NONE)": bool(said.audit),
        "idempotency": bool(said.idempotency),
        "permission, since access is ORG": bool(said.permission) or not in_org,
        "min_role, since access is ORG": bool(said.min_role) or not in_org,
        "a request with org_id, since access is ORG": not in_org
        or "org_id" in method.input_type.fields_by_name,
        "peers, since access is SERVICE": bool(said.peers)
        or said.access != options_pb2.ACCESS_SERVICE,
        "rate, since it has a route": bool(said.rate) or not routed,
        "access USER or ORG, since it asks for recent_auth": not said.recent_auth
        or said.access in (options_pb2.ACCESS_USER, options_pb2.ACCESS_ORG),
        "access PUBLIC and idempotency SAFE, since anybody may keep the reply": not (
            said.public_seconds
        )
        or (
            said.access == options_pb2.ACCESS_PUBLIC
            and said.idempotency == options_pb2.IDEMPOTENCY_SAFE
        ),
        "access ORG, since it says people_only": in_org or not said.people_only,
        "access ORG, since it says exempt_from": in_org or not said.exempt_from,
    }
    missing = [demand for demand, met in demands.items() if not met]
    if missing:
        raise BadPolicy(f"the policy of {method.full_name} lacks {'; '.join(missing)}")
