"""A method without a policy stops every process that serves or calls it, by name."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tenon_testing.service_process import environment
from tenon_testing.system import System

PROTOS = Path(__file__).parents[2] / "protos"
POLICY = re.compile(r"\n    option \(tenon\.options\.v1\.policy\) = \{.*?\n    \};", re.DOTALL)


@pytest.fixture(scope="session")
def protos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the protos whose first method of SessionService, LogIn, has lost its policy."""
    copy = tmp_path_factory.mktemp("contract") / "protos"
    shutil.copytree(PROTOS, copy, ignore=shutil.ignore_patterns("*_pb2*", "__pycache__"))
    proto = copy / "tenon" / "auth" / "v1" / "session_service.proto"
    weakened, removed = POLICY.subn("", proto.read_text(), count=1)
    assert removed == 1
    proto.write_text(weakened)
    subprocess.run([sys.executable, str(copy / "generate.py")], check=True)  # noqa: S603 # ours
    return copy


def check(system: System, protos: Path, service: str) -> "subprocess.CompletedProcess[str]":
    """Run `check` of a service, which does all that a start does but serving, on these protos."""
    boot = BOOT.format(protos=str(protos), module=f"tenon_{service}")
    return subprocess.run(  # noqa: S603 # our own module
        [sys.executable, "-c", boot],
        env=environment(service, system.values(service)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


BOOT = """
import runpy, sys
sys.path.insert(0, {protos!r})
sys.argv = ["tenon", "check"]
runpy.run_module({module!r}, run_name="__main__")
"""


@pytest.mark.parametrize("service", ["auth", "tenancy", "reports", "notifications", "gateway"])
def test_stops_each_process_by_name(system: System, protos: Path, service: str) -> None:
    """Auth serves LogIn, the gateway and the others call its service."""
    finished = check(system, protos, service)
    assert finished.returncode != 0
    assert "tenon.auth.v1.SessionService.LogIn has no policy" in finished.stderr


def test_the_whole_contract_is_accepted(system: System) -> None:
    """The positive control: the same check passes on the protos as they are."""
    system.start("auth")
    finished = check(system, PROTOS, "auth")
    assert finished.returncode == 0, finished.stderr
