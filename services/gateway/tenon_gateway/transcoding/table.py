"""Finds the route of a request: one dictionary look-up for each segment of its path."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar
from urllib.parse import unquote

from tenon_gateway.transcoding.routes import PARAMETER


class Routable(Protocol):
    """What a table can hold: an HTTP method and a path template."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...


R = TypeVar("R", bound=Routable)


class AmbiguousRoutes(Exception):
    """Two templates match the same path; the gateway must not start."""


@dataclass(frozen=True, slots=True)
class MethodNotAllowed:
    """The path exists, but not with this method; `allowed` is sorted."""

    allowed: tuple[str, ...]


@dataclass(slots=True)
class _Node(Generic[R]):
    """What may follow a path so far. A node has literal children or a parameter, never both."""

    literals: dict[str, "_Node[R]"] = field(default_factory=dict)
    parameter: "_Node[R] | None" = None
    verbs: dict[str, "_Node[R]"] = field(default_factory=dict)
    routes: dict[str, tuple[R, tuple[str, ...]]] = field(default_factory=dict)


class RouteTable(Generic[R]):
    """A precompiled matcher over templates such as `/api/orgs/{org_id}:leave`.

    A parameter takes one segment, not empty; where a custom verb follows, it takes no colon.
    """

    def __init__(self, routes: Iterable[R]) -> None:
        self._root: _Node[R] = _Node()
        for route in routes:
            self._add(route)

    def match(self, method: str, path: str) -> tuple[R, dict[str, str]] | MethodNotAllowed | None:
        """Match a path as it was sent, still percent-encoded; values are returned decoded."""
        node = self._root
        values: list[str] = []
        for segment in path.split("/"):
            following = node.literals.get(segment)
            if following is None:
                following, value = _parameter(node, segment)
                if following is None:
                    return None
                values.append(value)
            node = following
        if not node.routes:
            return None
        return _chosen(node, method, values)

    def _add(self, route: R) -> None:
        node = self._root
        for segment in route.path.split("/"):
            following = _child(node, segment)
            _require_one_kind(node, route)
            node = following
        if route.method in node.routes:
            other = node.routes[route.method][0]
            raise AmbiguousRoutes(f"{route.method} {route.path} and {other.path}")
        node.routes[route.method] = (route, tuple(PARAMETER.findall(route.path)))


def _child(node: _Node[R], segment: str) -> _Node[R]:
    name = PARAMETER.match(segment)
    if name is None:
        return node.literals.setdefault(segment, _Node())
    verb = segment[name.end() :]
    if verb:
        return node.verbs.setdefault(verb.removeprefix(":"), _Node())
    node.parameter = node.parameter or _Node()
    return node.parameter


def _require_one_kind(node: _Node[R], route: R) -> None:
    if node.literals and (node.parameter or node.verbs):
        raise AmbiguousRoutes(
            f"{route.path}: a parameter and the literals {', '.join(sorted(node.literals))} "
            "compete for the same segment"
        )


def _parameter(node: _Node[R], segment: str) -> tuple[_Node[R] | None, str]:
    """Return the node behind the parameter that takes the segment, and its value."""
    value, colon, verb = segment.rpartition(":")
    if colon and verb in node.verbs:
        return (node.verbs[verb], value) if value and ":" not in value else (None, value)
    return (node.parameter, segment) if segment else (None, segment)


def _chosen(
    node: _Node[R], method: str, values: list[str]
) -> tuple[R, dict[str, str]] | MethodNotAllowed | None:
    found = node.routes.get(method)
    if found is None:
        return MethodNotAllowed(tuple(sorted(node.routes)))
    route, names = found
    try:
        return route, {
            name: unquote(value, errors="strict") for name, value in zip(names, values, strict=True)
        }
    except UnicodeDecodeError:
        return None
