"""What a third party does with an export, a public key and the script of the documentation."""

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.tenancy.tests.audit_verification.test_verification import (
    CHAIN_TELLS,
    CHECKPOINTS,
    CHECKPOINTS_TELL,
    COVERED,
    LINES,
    OWNER,
    Log,
    Tampering,
    client,
    log,
)
from tenon_core import clock
from tenon_crypto.pem_keys import add_pem_key
from tenon_policy.audit_clients import OpenedClient
from tenon_tenancy.audit_checkpoints import documents as checkpoint_documents
from tenon_tenancy.audit_checkpoints.models import Checkpoint
from tenon_tenancy.audit_checkpoints.signing import CheckpointKeys, public_jwks
from tenon_tenancy.audit_events.chain import GENESIS, chained
from tenon_tenancy.audit_events.models import AuditEvent, Head, ShownEvent
from tenon_tenancy.audit_verification import documents

SCRIPT = Path(__file__).parents[4] / "docs" / "verify_audit_log.py"
TRIES, MANY_TRIES = 2, 100


def as_shown(line: AuditEvent) -> ShownEvent:
    """Return a line as an export has it; of a digest that is not its own, as after an erasure."""
    own = client(line.access.id.int)
    return ShownEvent(line, own if own.digest == line.access.client_digest else OpenedClient())


@dataclass(frozen=True)
class ThirdParty:
    """Somebody with a folder, and nothing else."""

    folder: Path
    keys: CheckpointKeys

    def signed(self, lines: Log) -> list[Checkpoint]:
        return [
            self.keys.sign(OWNER, Head(position, lines[position - 1].hash), 0, clock.now())
            for position in CHECKPOINTS
        ]

    def verify(
        self, lines: list[AuditEvent], signed: list[Checkpoint]
    ) -> subprocess.CompletedProcess[str]:
        paths = [self.folder / name for name in ("log.jsonl", "checkpoints.jsonl", "keys.json")]
        contents = [
            b"".join(documents.written(OWNER, as_shown(line)) for line in lines),
            b"".join(map(checkpoint_documents.written, signed)),
            json.dumps({"keys": public_jwks(self.keys.public_keys)}).encode(),
        ]
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content)
        return self.run()

    def run(self) -> subprocess.CompletedProcess[str]:
        """Run the script on the files of the folder."""
        paths = [self.folder / name for name in ("log.jsonl", "checkpoints.jsonl", "keys.json")]
        return subprocess.run(  # noqa: S603 # our own script
            [sys.executable, "-I", SCRIPT, *paths],
            env={},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def third_party(tmp_path: Path) -> ThirdParty:
    add_pem_key(tmp_path, Ed25519PrivateKey.generate())
    return ThirdParty(tmp_path, CheckpointKeys(tmp_path))


def test_the_script_is_short_and_needs_nothing_of_ours() -> None:
    written = SCRIPT.read_text()
    assert len(written.splitlines()) < 60
    assert "import tenon" not in written
    assert "from tenon" not in written


def test_a_log_that_nobody_touched_is_whole(third_party: ThirdParty) -> None:
    lines = log()
    verified = third_party.verify(lines, third_party.signed(lines))
    assert verified.returncode == 0, verified.stderr
    assert verified.stdout == (
        f"whole up to line {LINES}: covered up to {COVERED}, {LINES - COVERED} lines not yet\n"
    )


@pytest.fixture
def tries(request: pytest.FixtureRequest) -> int:
    return MANY_TRIES if request.config.getoption("--long") else TRIES


def seeds(tries: int, seed: int) -> Iterator[random.Random]:
    return (random.Random(seed + number) for number in range(tries))  # noqa: S311 # no secret


@pytest.mark.parametrize("tamper", [*CHAIN_TELLS, *CHECKPOINTS_TELL], ids=lambda one: one.__name__)
def test_tampering_shows_up_to_the_last_checkpoint(
    third_party: ThirdParty, tamper: Tampering, tries: int, seed: int
) -> None:
    for chance in seeds(tries, seed):
        lines = log()
        signed = third_party.signed(lines)
        first = tamper(lines, chance)
        verified = third_party.verify(lines, signed)
        assert verified.returncode == 1 or first > COVERED
        assert "Traceback" not in verified.stderr


@pytest.mark.parametrize("tamper", CHECKPOINTS_TELL, ids=lambda one: one.__name__)
def test_without_checkpoints_a_chain_made_anew_would_pass(
    third_party: ThirdParty, tamper: Tampering, seed: int
) -> None:
    """The control: it is the checkpoints that tell."""
    lines = log()
    tamper(lines, random.Random(seed))  # noqa: S311 # no secret
    verified = third_party.verify(lines, [])
    assert verified.returncode == 0, verified.stderr
    assert "covered up to 0" in verified.stdout


def test_a_log_may_begin_after_a_checkpoint_and_nowhere_else(third_party: ThirdParty) -> None:
    lines = log()
    signed = third_party.signed(lines)
    kept = third_party.verify(lines[CHECKPOINTS[0] :], signed)
    assert kept.returncode == 0, kept.stderr
    assert f"begins after line {CHECKPOINTS[0]}," in kept.stdout
    for begins in (1, CHECKPOINTS[0] - 1, CHECKPOINTS[0] + 1):
        assert "line 1: missing" in third_party.verify(lines[begins:], signed).stderr
    other = replace(lines[CHECKPOINTS[0]], hash=lines[0].hash)
    assert "altered" in third_party.verify([other, *lines[CHECKPOINTS[0] + 1 :]], signed).stderr


@pytest.mark.parametrize(
    "change", [{"position": 21}, {"hash": bytes(32)}, {"owner": "orgs/another"}, {"key_id": "own"}]
)
def test_a_checkpoint_that_nobody_signed_is_none(
    third_party: ThirdParty, change: dict[str, object]
) -> None:
    lines = log()
    first, *rest = third_party.signed(lines)
    forged = replace(first, **change)  # type: ignore[arg-type] # any of its fields
    assert "forged checkpoint" in third_party.verify(lines, [forged, *rest]).stderr


def test_a_member_that_no_hash_covers_is_refused(third_party: ThirdParty) -> None:
    lines = log()
    third_party.verify(lines, [])
    path = third_party.folder / "log.jsonl"
    first, *rest = path.read_text().splitlines()
    path.write_text("\n".join([json.dumps(json.loads(first) | {"note": "approved"}), *rest]))
    paths = [third_party.folder / name for name in ("log.jsonl", "checkpoints.jsonl", "keys.json")]
    verified = subprocess.run(  # noqa: S603 # our own script
        [sys.executable, "-I", SCRIPT, *paths], capture_output=True, text=True, check=False
    )
    assert "line 1: altered" in verified.stderr


@pytest.mark.parametrize("name", ["client_salt", "ip_address", "user_agent"])
def test_a_client_that_its_digest_does_not_cover_is_refused(
    third_party: ThirdParty, name: str
) -> None:
    third_party.verify(log(), [])
    path = third_party.folder / "log.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[2][name] = "192.0.2.8"
    path.write_text("\n".join(map(json.dumps, lines)))
    assert "line 3: altered" in third_party.run().stderr


def test_a_client_that_was_erased_leaves_the_log_whole(third_party: ThirdParty) -> None:
    third_party.verify(log(), [])
    path = third_party.folder / "log.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    erased = dict.fromkeys(("client_salt", "ip_address", "user_agent"))
    path.write_text("\n".join(json.dumps(line | erased) for line in lines))
    assert third_party.run().returncode == 0


def test_a_log_of_an_older_version_verifies(third_party: ThirdParty) -> None:
    """Its lines have no clients and no changes, and are hashed as `tenon-audit-1`."""
    old = [replace(line.access, client_digest=None, changes=None) for line in log()]
    lines = list(chained(OWNER, 0, GENESIS, old))
    third_party.verify(lines, third_party.signed(lines))
    path = third_party.folder / "log.jsonl"
    new = ("client_digest", "changes", "client_salt", "ip_address", "user_agent")
    said = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text(
        "\n".join(json.dumps({k: v for k, v in one.items() if k not in new}) for one in said)
    )
    assert third_party.run().returncode == 0
