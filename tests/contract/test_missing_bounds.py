"""A request with a field of unbounded size stops every process that serves or calls the method."""

import re
from pathlib import Path

import pytest

from tenon_testing.system import System
from tests.contract.weakening import check, weakened_protos

EMAIL = re.compile(r"(string email = 1 \[\(tenon\.options\.v1\.sensitive\) = true), .*\];")


@pytest.fixture(scope="session")
def unbounded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the protos in which the email address of a login may be of any length."""
    folder = tmp_path_factory.mktemp("unbounded")
    return weakened_protos(folder, "tenon/auth/v1/session_service.proto", EMAIL, r"\1];")


@pytest.mark.parametrize("service", ["auth", "gateway"])
def test_stops_each_process_by_name(system: System, unbounded: Path, service: str) -> None:
    finished = check(system, unbounded, service)
    assert finished.returncode != 0
    assert "tenon.auth.v1.LogInRequest.email has no max_length" in finished.stderr
