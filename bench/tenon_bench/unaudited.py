"""The same system without the audit of reads, to measure what that costs: a second reports that
records none, and a second gateway that asks it. `python -m tenon_bench.unaudited serve` is that
reports; a product that could be told so would be worth nothing to an auditor.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from tenon_bench.baselines import wait_until_up
from tenon_bench.system import SystemUnderTest
from tenon_db.accesses import AccessLog
from tenon_embedded.ports import free_port
from tenon_reports.app import APP
from tenon_rpc.process import main

READY_SECONDS = 60.0


@contextmanager
def unaudited(system: SystemUnderTest) -> Iterator[str]:
    """Run both processes beside the system; yield the gateway's URL."""
    reports, gateway = system.environment("reports"), system.environment("gateway")
    address = _at_a_port(reports, "REPORTS")
    peers = json.loads(gateway["TENON_GATEWAY_PEERS"]) | {"reports": address}
    gateway["TENON_GATEWAY_PEERS"] = json.dumps(peers)
    listen = _at_a_port(gateway, "GATEWAY")
    with (
        (system.data_dir / "unaudited.log").open("wb") as log,
        _running("tenon_bench.unaudited", reports, "REPORTS", log),
        _running("tenon_gateway", gateway, "GATEWAY", log),
    ):
        yield f"http://{listen}"


def _at_a_port(environment: dict[str, str], process: str) -> str:
    """Let a process listen elsewhere than the one whose environment this is; return where."""
    for name in ("LISTEN", "OPERATIONS_LISTEN"):
        environment[f"TENON_{process}_{name}"] = f"127.0.0.1:{free_port()}"
    return environment[f"TENON_{process}_LISTEN"]


@contextmanager
def _running(
    module: str, environment: dict[str, str], process: str, log: BinaryIO
) -> Iterator[None]:
    command = [sys.executable, "-m", module, "serve"]
    started = subprocess.Popen(command, env=environment, stderr=log)
    try:
        operations = environment[f"TENON_{process}_OPERATIONS_LISTEN"]
        wait_until_up(f"http://{operations}/readyz", within=READY_SECONDS)
        yield
    finally:
        started.terminate()
        started.wait()


async def forget(*_: object) -> None:
    """Record nothing."""


if __name__ == "__main__":
    AccessLog.record = forget  # type: ignore[assignment] # that is the point
    main(APP)
