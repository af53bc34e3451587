"""What workers ask is slow or broken: nothing is lost, and it goes on when that is over."""

import asyncio
from collections.abc import Callable

import pytest

from tenon_testing.proxy import Proxy
from tenon_testing.waiting import eventually
from tests.faults.rig import Rig, User

DONE_SECONDS = 60.0
"""Leases of 30 s and pauses between tries are longer than the recovery of a call."""
CUT_BYTES = 20
FAULTS: dict[str, Callable[[Proxy], None]] = {
    "black hole": Proxy.black_hole,
    "reset": Proxy.reset,
    "cut": lambda proxy: proxy.cut_after(CUT_BYTES),
}


async def run_ended(user: User, run_id: str) -> bool:
    _, run = await user.send("GET", f"{user.org}/runs/{run_id}")
    assert run["state"] != "failed", run
    return bool(run["state"] == "succeeded")


@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_run_ends_after_its_worker_had_lost_the_database(
    rig: Rig, user: User, fault: str
) -> None:
    await asyncio.to_thread(rig.system.start, "reports", "worker")
    export = {"events": {"dataset_id": user.dataset_id}, "format": "csv"}
    FAULTS[fault](rig.edges["reports-worker", "postgres"])
    run = await user.make(f"{user.org}/runs", **export)
    assert not await run_ended(user, run["id"])
    rig.heal()
    assert await eventually(lambda: run_ended(user, run["id"]), within=DONE_SECONDS)


@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_mail_comes_after_smtp_was_broken(rig: Rig, fault: str) -> None:
    await asyncio.to_thread(rig.system.start, "notifications", "worker")
    smtp = rig.edges["notifications-worker", "smtp"]
    FAULTS[fault](smtp)
    before = smtp.traffic.connections, smtp.traffic.sent

    async def tried() -> bool:
        return (smtp.traffic.connections, smtp.traffic.sent) != before

    async with rig.user() as user:

        async def welcomed() -> bool:
            _, page = await user.send("GET", "/api/dev/mailbox")
            return any(user.email in mail["to"] for mail in page["items"])

        await eventually(tried, within=DONE_SECONDS)
        rig.heal()
        assert await eventually(welcomed, within=DONE_SECONDS)
