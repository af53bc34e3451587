"""A misspelt setting stops every process and `tenon up`; it is never ignored."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tenon_embedded.server import inherited_environment
from tests.e2e.test_up import tenon

SERVICES = ("auth", "tenancy", "reports", "notifications")
COMMANDS = [
    *((service, verb) for service in SERVICES for verb in ("serve", "worker", "migrate", "check")),
    ("gateway", "serve"),
    ("gateway", "check"),
]
SHARED_FILE = {
    "TENON_AUTH_SIGN_UP": "closed",
    "TENON_TENANCY_DELETION_DAYS": "7",
    "TENON_REPORTS_MAX_UPLOAD_BYTES": "1000",
    "TENON_NOTIFICATIONS_MAIL_CONCURRENCY": "4",
    "TENON_GATEWAY_RATE_LIMIT_MODE": "shadow",
    "TENON_PUBLIC_URL": "https://app.example",
    "TENON_DATABASE_URL": "postgresql://postgres@127.0.0.1/postgres",
}


def start(service: str, verb: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 # our own module
        [sys.executable, "-m", f"tenon_{service}", verb],
        env={**inherited_environment(), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("service", "verb"), COMMANDS)
def test_a_process_refuses_a_misspelt_setting(service: str, verb: str) -> None:
    name = f"TENON_{service.upper()}_LOGLEVEL"
    refused = start(service, verb, **{name: "debug"})
    assert refused.returncode == 1
    expected = f"{name} is not a setting. Did you mean TENON_{service.upper()}_LOG_LEVEL?"
    assert refused.stderr == f"tenon_{service}: {expected}\n"


@pytest.mark.parametrize("service", [*SERVICES, "gateway"])
def test_a_process_refuses_a_misspelt_setting_of_all_processes(service: str) -> None:
    refused = start(service, "check", TENON_PUBLICURL="https://app.example")
    assert "TENON_PUBLICURL is not a setting. Did you mean TENON_PUBLIC_URL?" in refused.stderr


@pytest.mark.parametrize("service", [*SERVICES, "gateway"])
def test_a_process_accepts_the_settings_of_all_others(service: str) -> None:
    """The control: what is missing is refused, and nothing that is there."""
    refused = start(service, "check", **SHARED_FILE)
    assert "is not a setting" not in refused.stderr
    assert "redis_url" in refused.stderr
    assert "public_url" not in refused.stderr


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("TENON_AUTH_SIGNUP", "TENON_AUTH_SIGN_UP"),
        ("TENON_REPORT_MAX_UPLOAD_BYTES", "TENON_REPORTS_MAX_UPLOAD_BYTES"),
        ("TENON_SMTP_URI", "TENON_SMTP_URL"),
    ],
)
def test_up_refuses_a_misspelt_setting_before_anything_runs(
    name: str, nearest: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for own in [own for own in os.environ if own.startswith("TENON_")]:
        monkeypatch.delenv(own)
    monkeypatch.setenv(name, "closed")
    refused = tenon("up", "--port", "0", data_dir=tmp_path / "data")
    assert refused.returncode == 1
    assert f"{name} is not a setting. Did you mean {nearest}?" in refused.stderr
    assert not (tmp_path / "data" / "postgres").exists()
    examined = tenon("doctor", data_dir=tmp_path / "data")
    assert examined.returncode == 1
    assert f"{name} is not a setting" in examined.stdout
