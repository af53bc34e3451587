"""What clients were told about what they wrote."""

import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Kind(Enum):
    USER = "user"
    ORGANIZATION = "organization"
    DATASET = "dataset"
    EVENTS = "events"
    UPLOAD = "upload"
    RUN = "run"
    LOG_OUT = "log-out"
    REMOVAL = "removal"
    DELETION = "deletion"


class Told(Enum):
    """UNKNOWN is a reply that never came, or an error of the system's own: it may be done or not.

    THERE_ALREADY answers a repeated write, so one before it was done.
    """

    DONE = "done"
    THERE_ALREADY = "there already"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Write:
    """One try of a client; `key` is the client's own name for it, equal in all tries.

    `id` is what the system called it, once it said so.
    """

    kind: Kind
    org_id: str
    key: str
    told: Told
    content: Mapping[str, Any] = field(default_factory=dict)
    id: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Read:
    """A reply that a client got, what the audit calls that, and the minutes since 1970 in which it
    was asked for and was there.
    """

    session_id: str
    action: str
    resource: str
    asked_minute: int
    answered_minute: int


class Ledger:
    """Every try to write, and every answered read, by all clients of a test, in any thread."""

    def __init__(self) -> None:
        self._writes: list[Write] = []
        self._reads: list[Read] = []
        self._lock = threading.Lock()

    def add(self, write: Write) -> None:
        with self._lock:
            self._writes.append(write)

    def add_read(self, read: Read) -> None:
        with self._lock:
            self._reads.append(read)

    def reads(self) -> list[Read]:
        with self._lock:
            return [*self._reads]

    def tries(self, kind: Kind) -> list[Sequence[Write]]:
        """Return the tries of each write of one kind, in their order."""
        by_key = defaultdict[tuple[str, str], list[Write]](list)
        for write in self._of(kind):
            by_key[write.org_id, write.key].append(write)
        return list(by_key.values())

    def told(self, kind: Kind, told: Told) -> list[Write]:
        return [write for write in self._of(kind) if write.told is told]

    def count(self, told: Told) -> int:
        return sum(write.told is told for write in self._writes)

    def audited(self) -> list[Write]:
        """Return the writes that must be on record under their request: those done at once.

        One that was repeated may have been done by an earlier try, whose request nobody knows.
        """
        firsts = [tries[0] for kind in Kind for tries in self.tries(kind)]
        return [write for write in firsts if write.told is Told.DONE]

    def _of(self, kind: Kind) -> list[Write]:
        with self._lock:
            return [write for write in self._writes if write.kind is kind]
