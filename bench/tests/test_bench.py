"""`tenon bench`: it outlives an access token, and a benchmark that fails loses no other figure."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from tenon_bench import command
from tenon_bench.figures import Figure
from tenon_bench.session import Session, browser
from tenon_bench.system import SystemUnderTest

TOKEN_SECONDS = 4


def test_a_bench_outlives_its_access_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """P1 alone takes longer than the token lives, and P12 comes after it."""
    monkeypatch.setenv("TENON_AUTH_ACCESS_TOKEN_LIFE", f"PT{TOKEN_SECONDS}S")
    done = subprocess.run(  # our own command
        [sys.executable, "-m", "tenon_launcher", "bench", "--quick", "--json", "--only", "P1,P12"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert [figure["id"] for figure in figures] == ["P1", "P12"]
    assert ", 0 failures" in figures[0]["figure"]
    assert [line[:4].strip() for line in done.stderr.splitlines()] == ["P1", "P12"]


def figure(name: str) -> Figure:
    return Figure(name, "requests", 100.0, "requests/s", "half of it", 50.0, "≥ 60", met=True)


async def succeed(_: SystemUnderTest, __: float) -> list[Figure]:
    return [figure("P1")]


async def fail(_: SystemUnderTest, __: float) -> list[Figure]:
    message = "the dataset was not created"
    raise RuntimeError(message)


async def interrupt(_: SystemUnderTest, __: float) -> list[Figure]:
    raise KeyboardInterrupt


@contextmanager
def no_system() -> Iterator[SystemUnderTest]:
    with browser("http://localhost:9") as client:
        expires = httpx.Response(
            200,
            headers={"set-cookie": "access=x; Max-Age=300"},
            request=httpx.Request("GET", "http://localhost:9"),
        )
        client.cookies.extract_cookies(expires)
        yield SystemUnderTest("http://localhost:9", Path("nowhere"), Session(client))


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch) -> "Invoke":
    monkeypatch.setattr(command, "running_system", no_system)
    benchmarks = {"P1": succeed, "P2": fail, "P3": succeed, "P4": interrupt}
    monkeypatch.setattr(command, "BENCHMARKS", benchmarks)
    return Invoke()


class Invoke:
    """Runs the command with benchmarks that succeed, fail and are interrupted."""

    def __call__(self, *words: str) -> tuple[int, str, Sequence[str]]:
        result = CliRunner().invoke(command.main, words)
        return result.exit_code, result.stdout, result.stderr.splitlines()


def test_a_failed_benchmark_loses_no_other_figure(invoke: Invoke) -> None:
    code, output, progress = invoke("--only", "P1,P2,P3", "--json")
    first, failed, last = json.loads(output)
    assert code == 1
    assert (first["ratio"], last["ratio"]) == (2.0, 2.0)
    assert failed == {"id": "P2", "error": "RuntimeError: the dataset was not created"}
    assert [line[:2] for line in progress] == ["P1", "P2", "P1"]


def test_the_table_holds_the_error_of_a_failed_benchmark(invoke: Invoke) -> None:
    code, output, _ = invoke("--only", "P2,P3")
    assert code == 1
    assert "failed: RuntimeError" in output
    assert "100 requests/s" in output


def test_an_interruption_loses_no_figure(invoke: Invoke) -> None:
    code, output, _ = invoke("--only", "P1,P4", "--json")
    assert code == 1
    assert [found["id"] for found in json.loads(output)] == ["P1"]


def test_figures_that_are_no_numbers_are_valid_json() -> None:
    nothing = Figure("P5", "refusals", float("nan"), "ms", "none", 0.0, "≤ 50", met=False)
    assert nothing.as_json()["value"] is None
    assert nothing.as_json()["ratio"] is None
