"""Who asks, and what the protos say they get: read from the policies, and not from the code that
enforces them.
"""

from dataclasses import dataclass
from enum import Enum

from tenon_policy.policies import AUTHENTICATED, Access, MethodPolicy, Role

REFUSALS = frozenset(
    {
        "unauthenticated",
        "session_ended",
        "not_found",
        "role_too_low",
        "peer_not_allowed",
        "invalid_api_key",
        "api_key_required",
        "user_required",
        "permission_not_granted",
    }
)
OF_THE_TOKEN = frozenset({"unauthenticated", "session_ended", "invalid_api_key"})
"""What a refresh, a log-out or an exchange says of the secret that it is given, whoever asks."""


class Session(Enum):
    NONE = "none"
    ENDED = "ended"
    LIVE = "live"


@dataclass(frozen=True)
class Standing:
    """Somebody's session, and their role in the organization that they ask about."""

    session: Session
    role: Role = Role.NONE

    def __str__(self) -> str:
        if self.session is not Session.LIVE:
            return f"session {self.session.value}"
        return self.role.name.lower()


@dataclass(frozen=True)
class KeyStanding:
    """An API key: what it may at most, and whether it is the organization's that is asked about."""

    role: Role
    permissions: tuple[str, ...] = ()
    own: bool = True
    live: bool = True

    def __str__(self) -> str:
        kind = "key" if self.live else "revoked key"
        only = f" for {', '.join(self.permissions)}" if self.permissions else ""
        return f"{kind} of {'the' if self.own else 'another'} organization, {self.role.name}{only}"


KEY_STANDINGS = [
    *(KeyStanding(role) for role in Role if role is not Role.NONE),
    KeyStanding(Role.OWNER, own=False),
    KeyStanding(Role.OWNER, live=False),
    KeyStanding(Role.OWNER, permissions=("reports.runs.start", "tenancy.organizations.get")),
]

STANDINGS = [
    Standing(Session.NONE),
    Standing(Session.ENDED, Role.OWNER),
    *(Standing(Session.LIVE, role) for role in Role),
]


def refusal(policy: MethodPolicy, standing: Standing, peer: str) -> str:
    """Return the reason of the refusal that the policy asks for; empty where it lets in."""
    match policy.access:
        case Access.PUBLIC:
            return ""
        case Access.SERVICE:
            return "" if peer in policy.peers else "peer_not_allowed"
        case Access.USER:
            return _without_session(standing.session)
        case Access.ORG:
            return _without_session(standing.session) or _without_role(policy, standing.role)
        case Access.KEY:
            return _without_session(standing.session) or "api_key_required"


def key_refusal(  # noqa: PLR0911 # a return for each reason
    policy: MethodPolicy, standing: KeyStanding, peer: str
) -> str:
    """Return the reason of the refusal of an API key; empty where it is let in."""
    if policy.access not in AUTHENTICATED:
        return refusal(policy, Standing(Session.NONE), peer)
    if not standing.live:
        return "invalid_api_key"
    if policy.access is Access.KEY:
        return ""
    if policy.access is Access.ORG and not standing.own:
        return "not_found"
    if policy.access is Access.USER or policy.recent_auth or policy.people_only:
        return "user_required"
    if standing.permissions and policy.permission not in standing.permissions:
        return "role_too_low" if standing.role < policy.min_role else "permission_not_granted"
    return _without_role(policy, standing.role)


def _without_session(session: Session) -> str:
    return {Session.NONE: "unauthenticated", Session.ENDED: "session_ended"}.get(session, "")


def _without_role(policy: MethodPolicy, role: Role) -> str:
    if role is Role.NONE:
        return "not_found"
    return "role_too_low" if role < policy.min_role else ""


def told(policy: MethodPolicy, reason: str) -> str:
    """Return the refusal that a reply is; empty if it was let in, whatever became of it then."""
    if policy.access is Access.PUBLIC and reason in OF_THE_TOKEN:
        return ""
    return reason if reason in REFUSALS else ""
