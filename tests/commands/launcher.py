"""The launcher's own commands: what each must print and do."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.commands.live import Live, run
from tests.e2e.test_up import PROCESSES, alive, up

ROOT = Path(__file__).parents[2]


def start(live: Live) -> None:
    """The live system was started by `up`; a second one on its data is refused."""
    assert live.client.get("/healthz").status_code == 200
    second = live.tenon("up", "--port", "0")
    assert second.returncode == 1
    assert f"A system runs on {live.data} already at {live.url}" in second.stderr


def down(live: Live) -> None:
    data = live.data.with_name("second")
    with up(data) as status:
        stopped = run("down", "--data-dir", str(data))
        assert stopped.stdout.startswith("Stopped after")
        assert alive([process["pid"] for process in status["processes"]]) == []


def status(live: Live) -> None:
    found = live.json("status")
    assert {one["name"] for one in found["processes"] if one["ready"]} == PROCESSES
    assert live.url in live.output("status")


def doctor(live: Live) -> None:
    assert live.json("doctor")["level"] != "fail"
    assert str(live.data) in live.output("doctor")


def logs(live: Live) -> None:
    assert "tenancy" in live.output("logs", "tenancy")


def routes(live: Live) -> None:
    assert run("routes").stdout == (ROOT / "ROUTES.md").read_text()
    assert live.client.get("/api/openapi.json").json() == json.loads(
        (ROOT / "openapi.json").read_text()
    )


def test(_live: Live) -> None:
    collected = run("test", "--collect-only", "-q", "libs/core/tests/test_coalescing.py")
    assert collected.returncode == 0, collected.stdout
    assert "libs/core/tests/test_coalescing.py::" in collected.stdout


def bench(_live: Live) -> None:
    """Starts a system of its own, and measures it; bench/tests show that."""
    refused = run("bench", "--only", "P0")
    assert refused.returncode == 2
    assert "P0; there are P1, P3" in refused.stderr


def check(_live: Live) -> None:
    """CI runs all of its steps, which take minutes; their names are asked for only here."""
    assert "linters" in run("check", "--help").stdout


CHECKS: Mapping[str, Callable[[Live], None]] = {
    "bench": bench,
    "check": check,
    "doctor": doctor,
    "down": down,
    "logs": logs,
    "routes": routes,
    "status": status,
    "test": test,
    "up": start,
}
