"""ROUTES.md: every route on one line, for people."""

from collections.abc import Sequence

from tenon_gateway.transcoding.descriptors import load_services
from tenon_gateway.transcoding.manual import ManualOperation
from tenon_gateway.transcoding.operations import dotted
from tenon_gateway.transcoding.routes import Route
from tenon_policy.policies import NO_AUDIT, Access, MethodPolicy, Role, load_policies

_COLUMNS = [
    *("Method", "Path", "RPC", "Access", "Permission", "Role"),
    *("Rate", "Cache", "Invalidates", "Audit"),
]
_NOTHING = "-"


_Entry = tuple[str, str, tuple[str, ...], MethodPolicy | None]


def routes_markdown(routes: Sequence[Route], manual: Sequence[ManualOperation] = ()) -> str:
    """Return the table of all routes by path; those written by hand name each RPC they call."""
    policies = load_policies(load_services())
    entries: list[_Entry] = [
        (route.path, route.method, (route.rpc,), route.policy) for route in routes
    ]
    entries += [
        (one.path, one.method, one.rpcs, policies[one.rpcs[0]] if one.rpcs else None)
        for one in manual
    ]
    rows = [_row(*entry) for entry in sorted(entries, key=lambda entry: entry[:2])]
    table = "\n".join(
        f"| {' | '.join(cells)} |" for cells in (_COLUMNS, ["---"] * len(_COLUMNS), *rows)
    )
    return f"# Routes\n\nGenerated from the protos by `tenon routes`; do not edit.\n\n{table}\n"


def _row(path: str, method: str, rpcs: Sequence[str], policy: MethodPolicy | None) -> list[str]:
    names = ", ".join(_code(_short(rpc)) for rpc in rpcs) or _NOTHING
    if policy is None:
        return [method, _code(path), names, Access.PUBLIC.name.lower(), *[_NOTHING] * 6]
    return [
        method,
        _code(path),
        names,
        _access(policy),
        _code(policy.permission),
        _NOTHING if policy.min_role is Role.NONE else policy.min_role.name.lower(),
        policy.rate or _NOTHING,
        _list(policy.cache_tags) if not policy.public_seconds else _kept(policy.public_seconds),
        _list(policy.invalidates),
        _code(policy.audit or NO_AUDIT),
    ]


def _short(rpc: str) -> str:
    """Return an RPC's name without what all have: `/tenon.auth.v1.A/B` is `auth.v1.A.B`."""
    return dotted(rpc).removeprefix("tenon.")


def _list(names: Sequence[str]) -> str:
    return ", ".join(_code(name) for name in names) or _NOTHING


def _kept(seconds: int) -> str:
    return f"{seconds} s, by anybody"


def _code(text: str) -> str:
    return f"`{text}`" if text else _NOTHING


def _access(policy: MethodPolicy) -> str:
    """Say who may call; what a user's session is needed for is for people anyway."""
    people = policy.people_only and policy.access is Access.ORG
    notes = {"people": people, "recent": policy.recent_auth}
    notes |= {f"exempt from {one.name.lower()}": True for one in sorted(policy.exempt_from)}
    return ", ".join([policy.access.name.lower(), *(note for note, said in notes.items() if said)])
