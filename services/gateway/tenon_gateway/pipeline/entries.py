"""What the gateway answers: each route with what it demands and what runs it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tenon_gateway.pipeline.exchange import Exchange
from tenon_gateway.pipeline.limits import Rules
from tenon_gateway.pipeline.reply import Reply
from tenon_policy.policies import AUTHENTICATED, Access, BadPolicy, MethodPolicy

Run = Callable[[Exchange], Awaitable[Reply]]
"""Answers a request that was let in."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A route as the pipeline sees it. The policies of all RPCs that it calls must be met.

    `rules` is None for what must answer whatever happens, such as probes. `run` is None where a
    hand-written router answers. `tags` is empty for what is not cached.
    """

    method: str
    path: str
    policies: tuple[MethodPolicy, ...]
    rules: Rules | None
    run: Run | None
    name: str = field(init=False)
    in_session: bool = field(init=False)
    in_org: bool = field(init=False)
    reads: bool = field(init=False)
    """Nothing that it calls writes."""
    audited: bool = field(init=False)
    tags: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        access = {policy.access for policy in self.policies}
        if Access.SERVICE in access:
            raise BadPolicy(f"{self.path} calls a method that is for services alone")
        self._derive("name", f"{self.method} {self.path}")
        self._derive("in_session", bool(access & AUTHENTICATED))
        self._derive("in_org", Access.ORG in access)
        self._derive("reads", not any(policy.writes for policy in self.policies))
        self._derive("audited", any(policy.audit for policy in self.policies))
        self._derive("tags", self._common_tags())

    def _derive(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)  # as dataclasses does for a frozen one

    def _common_tags(self) -> tuple[str, ...]:
        """Return all tags, if every reply that goes into ours may be kept for its session."""
        kept = self.in_session and all(policy.cache_tags for policy in self.policies)
        if self.method != "GET" or not kept:
            return ()
        return tuple(sorted({tag for policy in self.policies for tag in policy.cache_tags}))
