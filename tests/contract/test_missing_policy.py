"""A method without a policy stops every process that serves or calls it, by name."""

import re
from pathlib import Path

import pytest

from tenon_testing.system import System
from tests.contract.weakening import PROTOS, check, weakened_protos

POLICY = re.compile(r"\n    option \(tenon\.options\.v1\.policy\) = \{.*?\n    \};", re.DOTALL)


@pytest.fixture(scope="session")
def protos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the protos whose first method of SessionService, LogIn, has lost its policy."""
    folder = tmp_path_factory.mktemp("contract")
    return weakened_protos(folder, "tenon/auth/v1/session_service.proto", POLICY, "")


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
