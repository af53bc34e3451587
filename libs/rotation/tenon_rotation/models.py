from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Level(StrEnum):
    """Which keys are replaced: those of owners, those that wrap them, or those of blind indexes."""

    DATA = "data"
    KEK = "kek"
    INDEX = "index"


class State(StrEnum):
    """running → succeeded | failed"""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Rotation:
    """One rotation in one service, of one organization's keys or of all.

    `done` of `total` says how far it is: in rows (DATA; of a whole service the planner's estimate),
    in data keys (KEK) or in owners (INDEX). `left` counts what did not decrypt, and so keeps an old
    key: owners (DATA) or data keys (KEK).
    """

    id: UUID
    level: Level
    org_id: UUID | None
    state: State
    total: int
    done: int
    left: int
    position: UUID | None
    create_time: datetime
    finish_time: datetime | None
