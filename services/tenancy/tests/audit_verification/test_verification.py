"""D1: whatever is done to a log shows, up to its last checkpoint."""

import dataclasses
import random
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeAlias
from uuid import UUID

import pytest

from tenon_policy.audit_clients import Client, OpenedClient
from tenon_tenancy.audit_events.chain import GENESIS, chained, line_hash
from tenon_tenancy.audit_events.models import Access, AuditEvent, Head
from tenon_tenancy.audit_verification.verification import Finding, Problem, Report, Verifier

OWNER = "orgs/0197b3a0-0000-7000-8000-000000000001"
LINES = 60
COVERED = 50
CHECKPOINTS = (20, 40, COVERED)
TRIES = 1_000

CLIENT = Client("192.0.2.7", "Firefox ✓")
CHANGES = '[{"field": "role", "before": "member", "after": "admin"}]'

Log: TypeAlias = list[AuditEvent]
Tampering: TypeAlias = Callable[[Log, random.Random], int]
"""Changes a log; returns the first position that is not what it was."""


def client(number: int) -> OpenedClient:
    """Return where a line's call came from: every third line has it, and changes."""
    return OpenedClient(f"{number:032x}", CLIENT) if number % 3 == 0 else OpenedClient()


def access(number: int) -> Access:
    has_context = number % 3 == 0
    return Access(
        id=UUID(int=number),
        action="reports.runs.start",
        actor=f"users/{UUID(int=7)}",
        resource=f"runs/{UUID(int=number)}",
        session_id=UUID(int=9) if number % 2 else None,
        request_id=f"request {number}",
        count=1,
        event_time=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=number),
        client_digest=client(number).digest if has_context else None,
        changes=CHANGES if has_context else None,
    )


def log() -> Log:
    return list(chained(OWNER, 0, GENESIS, map(access, range(1, LINES + 1))))


def checkpoints(lines: Sequence[AuditEvent]) -> list[Head]:
    return [Head(position, lines[position - 1].hash) for position in CHECKPOINTS]


def verify(owner: str, lines: Iterable[AuditEvent], signed: Iterable[Head]) -> Report:
    verifier = Verifier(owner)
    for head in signed:
        verifier.expect(head)
    for line in lines:
        verifier.take(line)
    return verifier.finish()


def edit(lines: Log, rng: random.Random) -> int:
    at = rng.randrange(LINES)
    line = lines[at]
    changes: list[tuple[str, object]] = [
        ("id", UUID(int=rng.getrandbits(128))),
        ("action", "reports.runs.list"),
        ("actor", "users/somebody else"),
        ("resource", line.access.resource + "0"),
        ("session_id", UUID(int=rng.getrandbits(128))),
        ("request_id", ""),
        ("count", 2),
        ("event_time", line.access.event_time + timedelta(microseconds=1)),
        ("client_digest", client(rng.getrandbits(30) * 3).digest),
        ("changes", CHANGES.replace("admin", "owner")),
    ]
    changed = dataclasses.replace(line.access, **dict([rng.choice(changes)]))  # type: ignore[arg-type]
    lines[at] = dataclasses.replace(line, access=changed)
    return at + 1


def edit_with_its_hash(lines: Log, rng: random.Random) -> int:
    at = edit(lines, rng) - 1
    before = lines[at - 1].hash if at else GENESIS
    line = lines[at]
    made_up = line_hash(before, OWNER, line.position, line.access)
    lines[at] = dataclasses.replace(line, hash=made_up)
    return at + 1


def delete(lines: Log, rng: random.Random) -> int:
    at = rng.randrange(LINES - 1)
    del lines[at]
    return at + 1


def insert(lines: Log, rng: random.Random) -> int:
    at = rng.randrange(LINES)
    lines.insert(at, dataclasses.replace(lines[at], access=access(rng.getrandbits(30))))
    return at + 1


def reorder(lines: Log, rng: random.Random) -> int:
    one, other = sorted(rng.sample(range(LINES), 2))
    lines[one], lines[other] = lines[other], lines[one]
    return one + 1


def cut(lines: Log, rng: random.Random) -> int:
    at = rng.randrange(LINES)
    del lines[at:]
    return at + 1


def rewrite(lines: Log, rng: random.Random) -> int:
    """Make the whole rest anew, with a chain that holds: only a checkpoint can tell."""
    at = edit(lines, rng) - 1
    before = lines[at - 1].hash if at else GENESIS
    lines[at:] = chained(OWNER, at, before, [line.access for line in lines[at:]])
    return at + 1


def renumber(lines: Log, rng: random.Random) -> int:
    """Take a line out as if it had never been."""
    at = rng.randrange(LINES - 1)
    before = lines[at - 1].hash if at else GENESIS
    rest = [line.access for line in lines[at + 1 :]]
    lines[at:] = chained(OWNER, at, before, rest)
    return at + 1


CHAIN_TELLS = (edit, edit_with_its_hash, delete, insert, reorder)
CHECKPOINTS_TELL = (cut, rewrite, renumber)


def test_a_log_that_nobody_touched_is_whole() -> None:
    lines = log()
    report = verify(OWNER, lines, checkpoints(lines))
    assert (report.findings, report.lines, report.covered) == ([], LINES, COVERED)
    assert report.uncovered == LINES - COVERED


@pytest.mark.parametrize("tamper", [*CHAIN_TELLS, *CHECKPOINTS_TELL], ids=lambda one: one.__name__)
def test_tampering_shows_up_to_the_last_checkpoint(tamper: Tampering, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 # no secret
    for _ in range(TRIES):
        lines = log()
        signed = checkpoints(lines)
        first = tamper(lines, rng)
        report = verify(OWNER, lines, signed)
        if first <= COVERED:
            assert report.findings, first
            assert report.findings[0].position <= COVERED


@pytest.mark.parametrize("tamper", CHECKPOINTS_TELL, ids=lambda one: one.__name__)
def test_without_checkpoints_a_chain_made_anew_would_pass(tamper: Tampering, seed: int) -> None:
    """The control: it is the checkpoints that tell."""
    lines = log()
    tamper(lines, random.Random(seed))  # noqa: S311 # no secret
    assert verify(OWNER, lines, []).findings == []


def test_lines_after_the_last_checkpoint_are_said_to_be_uncovered() -> None:
    lines = log()
    signed = checkpoints(lines)
    del lines[COVERED + 3 :]
    report = verify(OWNER, lines, signed)
    assert (report.findings, report.uncovered) == ([], 3)


def test_a_line_of_another_log_does_not_fit() -> None:
    lines = log()
    assert verify("orgs/another", lines, []).findings[0].problem is Problem.ALTERED


@pytest.mark.parametrize("gone", [1, *CHECKPOINTS])
def test_the_oldest_lines_are_missing_also_up_to_a_checkpoint(gone: int) -> None:
    lines = log()
    report = verify(OWNER, lines[gone:], checkpoints(lines))
    assert report.findings[0] == Finding(Problem.MISSING, 1)
