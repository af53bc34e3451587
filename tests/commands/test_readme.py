"""The first five minutes of README.md, as a user pastes them into a shell."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.commands.live import Live

README = Path(__file__).parents[2] / "README.md"
SECONDS = 50


def example(url: str) -> str:
    """Return the shell block, for a system at another address."""
    (block,) = re.findall(r"```sh\n(URL=.*?)```", README.read_text(), flags=re.DOTALL)
    return re.sub(r"^URL=.*$", f"URL={url}", str(block), count=1, flags=re.MULTILINE)


def paste(url: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 # our own example
        ["bash", "-c", example(url)],  # noqa: S607 # the user's own
        cwd=folder,
        env={**os.environ, "NO_PROXY": "*"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.mark.timeout(4 * SECONDS)
def test_the_example_works_twice_and_in_a_new_folder(live: Live, tmp_path: Path) -> None:
    (first := tmp_path / "first").mkdir()
    (second := tmp_path / "second").mkdir()
    for folder in (first, first, second):
        done = paste(live.url, folder)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stderr.replace("curl: (22) The requested URL returned error: 409\n", "") == ""
        assert '"revenue"' in done.stdout
        assert "2025-12-31T23:00:00Z" in done.stdout  # a day begins in Vienna
        assert len((folder / "orders.csv").read_text().splitlines()) == 3
        (folder / "orders.csv").unlink()


def test_the_example_ends_without_a_system(tmp_path: Path) -> None:
    failed = paste("http://localhost:9", tmp_path)
    assert failed.returncode != 0
    assert "not succeeded" in failed.stderr
