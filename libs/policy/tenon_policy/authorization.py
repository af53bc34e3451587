"""The decision: may this caller use this method on this organization?

The gateway asks first, to refuse early; the service asks again, as the authority.
"""

import time
from collections.abc import Set as AbstractSet
from uuid import UUID

from tenon_core.errors import (
    ApiKeyRequired,
    InvalidApiKey,
    MfaRequired,
    NetworkNotAllowed,
    NotFound,
    PeerNotAllowed,
    PermissionNotGranted,
    RecentAuthRequired,
    RoleTooLow,
    SessionEnded,
    SessionTooOld,
    Unauthenticated,
    UserRequired,
)
from tenon_policy.api_keys import KeyScope
from tenon_policy.demands import Demands, shows_second_factor
from tenon_policy.policies import AUTHENTICATED, Access, Demand, MethodPolicy, Role

RECENT_SECONDS = 600


def require_peer(policy: MethodPolicy, peer: str) -> None:
    """Refuse a process that the policy does not name; PeerNotAllowed."""
    if policy.access is Access.SERVICE and not policy.admits_peer(peer):
        raise PeerNotAllowed


def require_session(policy: MethodPolicy, *, authenticated: bool, live: bool) -> None:
    """Refuse a caller without a live session where one is needed, and a person where only an API
    key can call; Unauthenticated, SessionEnded, ApiKeyRequired.
    """
    if policy.access not in AUTHENTICATED:
        return
    if not authenticated:
        raise Unauthenticated
    if not live:
        raise SessionEnded
    if policy.access is Access.KEY:
        raise ApiKeyRequired


def require_scope(policy: MethodPolicy, key: KeyScope, org_id: UUID | None, *, live: bool) -> None:
    """Refuse an API key by what it was made for; `org_id` is whom the request is about.

    Raises InvalidApiKey, NotFound, UserRequired, RoleTooLow, PermissionNotGranted. Another
    organization is as unknown to a key as to somebody who is no member of it.
    """
    if policy.access not in AUTHENTICATED:
        return
    if not live:
        raise InvalidApiKey
    if policy.access is Access.ORG and org_id != key.org_id:
        raise NotFound
    if policy.people_only:
        raise UserRequired
    require_role(policy, key.role)
    if policy.access is Access.ORG and key.permissions and policy.permission not in key.permissions:
        raise PermissionNotGranted


def require_role(policy: MethodPolicy, role: Role) -> None:
    """Refuse by role: NotFound for no member at all, so that nobody learns what exists."""
    if policy.access is not Access.ORG:
        return
    if role is Role.NONE:
        raise NotFound
    if role < policy.min_role:
        raise RoleTooLow


def require_network(policy: MethodPolicy, demands: Demands, address: str) -> None:
    """Refuse who comes from outside of the organization's networks; NetworkNotAllowed.

    `address` is the client's, empty where nobody knows it: that is in no network.
    """
    if policy.access is not Access.ORG or Demand.NETWORKS in policy.exempt_from:
        return
    if not demands.admits(address):
        raise NetworkNotAllowed


def require_proof(
    policy: MethodPolicy, demands: Demands, methods: AbstractSet[str], auth_time: float
) -> None:
    """Refuse a person who has not proved who they are as the organization demands it; MfaRequired,
    SessionTooOld. `methods` and `auth_time` are those of their access token.
    """
    if policy.access is not Access.ORG:
        return
    asks_mfa = demands.mfa and Demand.MFA not in policy.exempt_from
    if asks_mfa and not shows_second_factor(methods):
        raise MfaRequired
    bounds_age = demands.session_seconds and Demand.SESSION not in policy.exempt_from
    if bounds_age and time.time() - auth_time > demands.session_seconds:
        raise SessionTooOld


def require_recent(policy: MethodPolicy, auth_time: float) -> None:
    """Refuse who has not proved lately who they are, where that is needed; RecentAuthRequired.

    `auth_time` is in seconds of the epoch.
    """
    if policy.recent_auth and time.time() - auth_time > RECENT_SECONDS:
        raise RecentAuthRequired
