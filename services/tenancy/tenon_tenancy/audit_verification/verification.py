"""Whether a log is what it was: checked line by line, and against signed checkpoints."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tenon_tenancy.audit_checkpoints.models import Checkpoint
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


@dataclass(frozen=True, slots=True)
class Finding:
    problem: Problem
    position: int


@dataclass(slots=True)
class Report:
    """What a verification found.

    `lines` were read, the last of which is at `last`; a checkpoint covers all up to `covered`.
    What comes after that is chained, but whoever can write to the database could have chained it.
    """

    lines: int = 0
    last: int = 0
    covered: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def uncovered(self) -> int:
        return max(0, self.last - self.covered)


def verify_signed(
    owner: str,
    lines: Iterable[AuditEvent],
    checkpoints: Iterable[Checkpoint],
    keys: Mapping[str, Ed25519PublicKey],
) -> Report:
    """Check the lines of an owner's log, in the order in which they come, against its
    checkpoints.
    """
    verifier = Verifier(owner)
    for checkpoint in checkpoints:
        expect_signed(verifier, checkpoint, keys)
    for line in lines:
        verifier.take(line)
    return verifier.finish()


def expect_signed(
    verifier: "Verifier", checkpoint: Checkpoint, keys: Mapping[str, Ed25519PublicKey]
) -> None:
    """Expect what a checkpoint says if one of the keys has signed it; else it is a finding."""
    if is_genuine(checkpoint, keys):
        verifier.expect(Head(checkpoint.position, checkpoint.hash))
    else:
        verifier.find(Problem.FORGED, checkpoint.position)


class Verifier:
    """Takes the lines of an owner's log that follow a place in it, one after the other.

    What is expected at a line has to be said before it is taken.
    """

    def __init__(self, owner: str, start: Head = BEGINNING) -> None:
        self._owner = owner
        self._expected: dict[int, set[bytes]] = {}
        self._report = Report(last=start.position)
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
