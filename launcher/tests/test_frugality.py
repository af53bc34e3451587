"""What a process does not load, it does not keep in memory."""

import subprocess
import sys

import pytest

from tenon_launcher.plan import SERVICES

LARGE = "celery", "kombu", "alembic", "fastapi"


def loaded(module: str) -> set[str]:
    """Which of the large libraries are loaded with a module."""
    ask = f"import sys, {module}; print(*(name for name in {LARGE} if name in sys.modules))"
    told = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    return set(told.stdout.split())


@pytest.mark.parametrize("service", SERVICES)
def test_a_server_starts_without_celery(service: str) -> None:
    assert loaded(f"tenon_{service}.app") == set()


def test_a_worker_has_it() -> None:
    assert "celery" in loaded("tenon_jobs.celery_consumer")


def test_the_launcher_starts_without_any_of_them() -> None:
    assert loaded("tenon_launcher.run") == set()
