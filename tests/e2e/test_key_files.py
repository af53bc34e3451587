"""A process does not start with a key file that is missing, empty, short or long."""

import subprocess
import sys
from pathlib import Path

import pytest

from tenon_testing.service_process import environment
from tenon_testing.system import System

SETTINGS = [
    ("gateway", "link_key_file"),
    ("gateway", "address_key_file"),
    ("reports", "link_key_file"),
    ("tenancy", "link_key_file"),
]


@pytest.mark.parametrize(("service", "setting"), SETTINGS)
@pytest.mark.parametrize("content", [None, b"", b"short", bytes(33)])
def test_a_key_file_that_is_not_a_key_is_refused(
    system: System, tmp_path: Path, service: str, setting: str, content: bytes | None
) -> None:
    key = tmp_path / "a.key"
    if content is not None:
        key.write_bytes(content)
    refused = subprocess.run(  # noqa: S603 # our own module
        [sys.executable, "-m", f"tenon_{service}", "check"],
        env=environment(service, {**system.values(service), setting: str(key)}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 1
    problem = "cannot be read" if content is None else "instead of 32"
    assert f"{key} " in refused.stderr
    assert problem in refused.stderr
    assert "Traceback" not in refused.stderr
