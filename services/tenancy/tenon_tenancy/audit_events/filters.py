"""What somebody looks for in an audit log."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from tenon_core.errors import FieldError, InvalidArgument

ACTOR = re.compile(r"(users|api-keys|services)/[\w-]{1,100}")
ACTION = re.compile(r"[a-z][a-z0-9_]{0,99}(\.[a-z][a-z0-9_]{0,99}){0,5}\.?")
LONGEST_RESOURCE = 500
"""Longer ones are no ids of ours, and in no index."""


@dataclass(frozen=True, slots=True)
class Filters:
    """All that are given must hold. An action with a dot at its end means all that begin so."""

    actor: str = ""
    action: str = ""
    resource: str = ""
    start_time: datetime | None = None
    end_time: datetime | None = None

    @property
    def action_prefix(self) -> str:
        return self.action if self.action.endswith(".") else ""

    def require_valid(self) -> None:
        """Refuse what could never be found; InvalidArgument names each."""
        if faults := list(self._faults()):
            raise InvalidArgument(fields=faults)

    def _faults(self) -> Iterator[FieldError]:
        if self.actor and not ACTOR.fullmatch(self.actor):
            yield FieldError("/actor", "must be users/<id>, api-keys/<id> or services/<name>")
        if self.action and not ACTION.fullmatch(self.action):
            yield FieldError("/action", "must be an action, or its beginning up to a dot")
        if "\0" in self.resource or len(self.resource) > LONGEST_RESOURCE:
            yield FieldError("/resource", f"must be at most {LONGEST_RESOURCE} characters, no NUL")
        if self.start_time and self.end_time and self.start_time >= self.end_time:
            yield FieldError("/end_time", "must be after start_time")
