"""Whether a log is what it was: checked line by line, and against signed checkpoints."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tenon_tenancy.audit_checkpoints.models import Checkpoint
from tenon_tenancy.audit_checkpoints.signing import is_genuine
from tenon_tenancy.audit_events.chain import GENESIS, line_hash
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
    """Check the lines of an owner's log, in the order in which they come, against its checkpoints.

    A log of which the oldest lines were removed by its retention begins after one of them.
    """
    verifier = Verifier(owner, *genuine(checkpoints, keys))
    for line in lines:
        verifier.take(line)
    return verifier.finish()


def genuine(
    checkpoints: Iterable[Checkpoint], keys: Mapping[str, Ed25519PublicKey]
) -> tuple[list[Head], list[int]]:
    """Return what checkpoints say that one of the keys has signed, and where the others stand."""
    signed: list[Head] = []
    forged: list[int] = []
    for checkpoint in checkpoints:
        if is_genuine(checkpoint, keys):
            signed.append(Head(checkpoint.position, checkpoint.hash))
        else:
            forged.append(checkpoint.position)
    return signed, forged


class Verifier:
    """Takes the lines of an owner's log, one after the other.

    `signed` is what genuine checkpoints say, `forged` where those stand that are none.
    """

    def __init__(self, owner: str, signed: Iterable[Head], forged: Iterable[int] = ()) -> None:
        self._owner = owner
        self._checkpoints: dict[int, set[bytes]] = {}
        for head in signed:
            self._checkpoints.setdefault(head.position, set()).add(head.hash)
        self._report = Report()
        self._previous: bytes | None = None
        for position in forged:
            self._find(Problem.FORGED, position)

    def take(self, line: AuditEvent) -> None:
        report = self._report
        if report.lines == 0:
            self._begin(line)
        elif line.position <= report.last:
            self._find(Problem.OUT_OF_ORDER, line.position)
        elif line.position > report.last + 1:
            self._find(Problem.MISSING, report.last + 1)
            self._previous = None
        self._check(line)
        report.lines += 1
        report.last = max(report.last, line.position)
        self._previous = line.hash

    def finish(self) -> Report:
        cut = [position for position in self._checkpoints if position > self._report.last]
        if cut:
            self._find(Problem.CUT, min(cut))
        return self._report

    def _begin(self, line: AuditEvent) -> None:
        """Find the hash before the first line: nothing's, or a checkpoint's."""
        if line.position == 1:
            self._previous = GENESIS
            return
        before = self._checkpoints.get(line.position - 1)
        if before:
            self._previous = next(iter(before))
        else:
            self._find(Problem.MISSING, 1)

    def _check(self, line: AuditEvent) -> None:
        if self._previous is not None and line.hash != line_hash(
            self._previous, self._owner, line.position, line.access
        ):
            self._find(Problem.ALTERED, line.position)
        hashes = self._checkpoints.get(line.position, ())
        if any(signed != line.hash for signed in hashes):
            self._find(Problem.REWRITTEN, line.position)
        elif hashes:
            self._report.covered = max(self._report.covered, line.position)

    def _find(self, problem: Problem, position: int) -> None:
        self._report.findings.append(Finding(problem, position))
