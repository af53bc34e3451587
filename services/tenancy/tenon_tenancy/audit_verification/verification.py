"""Whether a log is what it was: checked line by line, and against signed checkpoints."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tenon_tenancy.audit_checkpoints.models import Beginning, Checkpoint
from tenon_tenancy.audit_checkpoints.signing import is_genuine
from tenon_tenancy.audit_events.chain import BEGINNING, line_hash
from tenon_tenancy.audit_events.models import AuditEvent, Head


class Problem(StrEnum):
    ALTERED = "altered"
    """A line, or the hash before it, is not what was written."""
    MISSING = "missing"
    """Lines between two others, or before the first, are gone."""
    OUT_OF_ORDER = "out of order"
    """A line comes twice or too late."""
    REWRITTEN = "rewritten"
    """The chain holds, but the checkpoint at this line says that it was another one."""
    CUT = "cut"
    """A checkpoint covers lines that are not there (any more)."""
    FORGED = "forged checkpoint"
    """A checkpoint was signed by none of the keys, or says something else than was signed."""
    UNKEPT = "checkpoint missing"
    """The storage had a checkpoint here, and has none any more."""
    NO_BEGINNING = "forged beginning"
    """The log is said to begin after this line, which none of the keys has signed."""


@dataclass(frozen=True, slots=True)
class Finding:
    problem: Problem
    position: int


@dataclass(slots=True)
class Report:
    """What a verification found.

    `lines` were read, the last of which is at `last`; those up to `begins_after` were removed by
    the log's retention, and that was signed. A checkpoint covers all up to `covered`. What comes
    after that is chained, but whoever can write to the database could have chained it.
    """

    lines: int = 0
    begins_after: int = 0
    last: int = 0
    covered: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def uncovered(self) -> int:
        return max(0, self.last - self.covered)


def verify_signed(
    owner: str,
    lines: Iterable[AuditEvent],
    signed: Sequence[Checkpoint | Beginning],
    keys: Mapping[str, Ed25519PublicKey],
) -> Report:
    """Check the lines of an owner's log, in the order in which they come, against its checkpoints
    and beginnings.
    """
    left = iter(lines)
    first = next(left, None)
    start = _start(first, signed, keys)
    verifier = Verifier(owner, start)
    for one in signed:
        if one.position > start.position or not is_genuine(one, keys):
            expect_signed(verifier, one, keys)
    for line in chain([first] if first else [], left):
        verifier.take(line)
    return verifier.finish()


def _start(
    first: AuditEvent | None,
    signed: Iterable[Checkpoint | Beginning],
    keys: Mapping[str, Ed25519PublicKey],
) -> Head:
    """Return what the first line has to follow: the last genuine beginning before it, or nothing.

    The file may have been written before the log's last beginning was signed.
    """
    before = [
        Head(one.position, one.hash)
        for one in signed
        if isinstance(one, Beginning)
        and is_genuine(one, keys)
        and (first is None or one.position < first.position)
    ]
    return max([BEGINNING, *before], key=lambda head: head.position)


def expect_signed(
    verifier: "Verifier", signed: Checkpoint | Beginning, keys: Mapping[str, Ed25519PublicKey]
) -> None:
    """Expect what one of the keys has signed; what none has is a finding."""
    if is_genuine(signed, keys):
        verifier.expect(Head(signed.position, signed.hash))
    elif isinstance(signed, Beginning):
        verifier.find(Problem.NO_BEGINNING, signed.position)
    else:
        verifier.find(Problem.FORGED, signed.position)


class Verifier:
    """Takes the lines of an owner's log that follow a place in it, one after the other.

    What is expected at a line has to be said before it is taken.
    """

    def __init__(self, owner: str, start: Head = BEGINNING) -> None:
        self._owner = owner
        self._expected: dict[int, set[bytes]] = {}
        self._report = Report(last=start.position, begins_after=start.position)
        self._previous: bytes | None = start.hash

    @property
    def last(self) -> int:
        return self._report.last

    def expect(self, head: Head) -> None:
        """Expect a line's hash, as a genuine checkpoint says it."""
        self._expected.setdefault(head.position, set()).add(head.hash)

    def find(self, problem: Problem, position: int) -> None:
        self._report.findings.append(Finding(problem, position))

    def take(self, line: AuditEvent) -> None:
        report = self._report
        if line.position <= report.last:
            self.find(Problem.OUT_OF_ORDER, line.position)
        elif line.position > report.last + 1:
            self.find(Problem.MISSING, report.last + 1)
            self._previous = None
        self._check(line)
        report.lines += 1
        report.last = max(report.last, line.position)
        self._previous = line.hash

    def finish(self) -> Report:
        cut = [position for position in self._expected if position > self._report.last]
        if cut:
            self.find(Problem.CUT, min(cut))
        return self._report

    def _check(self, line: AuditEvent) -> None:
        if self._previous is not None and line.hash != line_hash(
            self._previous, self._owner, line.position, line.access
        ):
            self.find(Problem.ALTERED, line.position)
        hashes = self._expected.pop(line.position, ())
        if any(signed != line.hash for signed in hashes):
            self.find(Problem.REWRITTEN, line.position)
        elif hashes:
            self._report.covered = max(self._report.covered, line.position)
