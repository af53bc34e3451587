"""Every process is replaced under load: a new one starts, then the old one drains."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import aiohttp
import pytest

from tenon_testing.proxy import Proxy
from tenon_testing.servers import Servers
from tenon_testing.service_process import ServiceProcess
from tenon_testing.system import SERVICES, System
from tenon_testing.waiting import eventually
from tests.faults.rig import User, signed_up

NOTICE_SECONDS = 2.0
REFRESH_SECONDS = 60.0
RUN_SECONDS = 1.0
SETTLED_SECONDS = 60.0
CLIENTS = 3
ROUNDS = 20
UNFINISHED = {"queued", "running", "uploading", "cancelling"}


@dataclass
class Fleet:
    """A system whose processes stand behind balancers: new connections go to the newest."""

    system: System
    balancers: dict[str, Proxy]
    running: dict[tuple[str, str], ServiceProcess] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.balancers['gateway'].port}"

    def replace(self, service: str, verb: str = "serve") -> None:
        """Start another process and let the one before it drain."""
        old = self.running.pop((service, verb))
        new = self.running[service, verb] = self.system.replica(service, verb)
        if verb == "serve":
            self.balancers[service].target = new.listen_port
        old.stop()


@dataclass
class Load:
    """What a client did, and what failed of it."""

    user: User
    failures: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    datasets: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)

    async def go_on(self, stop: asyncio.Event) -> None:
        refresh_at = time.monotonic() + REFRESH_SECONDS
        run_at = 0.0
        while not stop.is_set():
            await self.send("GET", f"{self.user.org}/members?page_size={1 + self.requests % 100}")
            await self.send("GET", f"{self.user.org}/datasets?page_size={1 + self.requests % 100}")
            await self.create_dataset()
            if time.monotonic() > run_at:
                run_at = time.monotonic() + RUN_SECONDS
                await self.start_run()
            if time.monotonic() > refresh_at:
                refresh_at = time.monotonic() + REFRESH_SECONDS
                await self.send("POST", "/api/auth/refresh")

    async def send(self, method: str, path: str, **options: object) -> dict[str, str] | None:
        self.requests += 1
        try:
            status, said = await self.user.send(method, path, **options)
        except aiohttp.ClientError as error:
            self.failures[f"{method} {type(error).__name__}"] += 1
            return None
        if status >= 400:
            self.failures[f"{method} {path} {status} {said}"] += 1
            return None
        return dict(said) if said else None

    async def create_dataset(self) -> None:
        name = str(uuid4())
        made = await self.send(
            "POST", f"{self.user.org}/datasets", json={"name": name, "dimensions": ["product"]}
        )
        if made:
            self.datasets.append(made["id"])

    async def start_run(self) -> None:
        export = {"events": {"dataset_id": self.user.dataset_id}, "format": "csv"}
        if made := await self.send("POST", f"{self.user.org}/runs", json=export):
            self.runs.append(made["id"])

    async def unfinished(self) -> list[str]:
        states = [
            await self.user.send("GET", f"{self.user.org}/runs/{run_id}") for run_id in self.runs
        ]
        return [state["state"] for _, state in states if state["state"] in UNFINISHED]


@pytest.fixture(scope="module")
def fleet(own_servers: Servers) -> Iterator[Fleet]:
    system = System(own_servers, f"test_{uuid4().hex}")
    balancers = {edge: system.proxied("*", edge) for edge in (*SERVICES, "gateway")}
    fleet = Fleet(system, balancers)
    system.choose("gateway", public_url=fleet.url)
    for process in (*SERVICES, "gateway"):
        system.choose(process, notice_seconds=str(NOTICE_SECONDS))
    system.choose("notifications-worker", run_mails_per_user="100000")  # each of them is counted
    system.start_all()
    for service in SERVICES:
        fleet.running[service, "serve"] = system.start(service)
        fleet.running[service, "worker"] = system.start(service, "worker")
    fleet.running["gateway", "serve"] = system.start("gateway")
    yield fleet
    system.stop()


@asynccontextmanager
async def loaded(fleet: Fleet) -> AsyncIterator[None]:
    """Keep clients busy during the block; nothing of theirs may have failed."""
    async with signed_up(fleet.url, CLIENTS) as users:
        for user in users:
            fleet.system.verify_email(user.user_id)  # or their exports would not be mailed
        stop, loads = asyncio.Event(), [Load(user) for user in users]
        clients = [asyncio.create_task(load.go_on(stop)) for load in loads]
        yield
        stop.set()
        await asyncio.gather(*clients)
        for load in loads:
            assert not load.failures, load.failures
        await settled(fleet, loads)
        requests, runs = sum(load.requests for load in loads), sum(len(x.runs) for x in loads)
        print(f"{requests} requests, {runs} runs with a mail each: 0 failed")  # noqa: T201 # the figures


async def settled(fleet: Fleet, loads: list[Load]) -> None:
    """Every write is there, every run ends and every mail comes."""
    for load in loads:

        async def all_ended(load: Load = load) -> bool:
            return not await load.unfinished()

        async def all_mailed(load: Load = load) -> bool:
            return mails(fleet, load.user.email) >= 1 + len(load.runs)

        _, page = await load.user.send("GET", f"{load.user.org}/datasets?page_size=100")
        assert len(page["items"]) == min(100, 1 + len(load.datasets))
        await eventually(all_ended, within=SETTLED_SECONDS)
        await eventually(all_mailed, within=SETTLED_SECONDS)


def mails(fleet: Fleet, email: str) -> int:
    """Return how many mails somebody got."""
    new = fleet.system.servers.mailsink.maildir / "new"
    return sum(email.encode() in path.read_bytes() for path in new.iterdir())


async def replace_all(fleet: Fleet) -> None:
    """Replace one of each process, all at once."""
    await asyncio.gather(*(asyncio.to_thread(fleet.replace, *one) for one in list(fleet.running)))


async def test_no_request_fails_and_no_job_is_lost(fleet: Fleet) -> None:
    async with loaded(fleet):
        await replace_all(fleet)


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_twenty_restarts_of_each_process(fleet: Fleet) -> None:
    async with loaded(fleet):
        for _ in range(ROUNDS):
            await replace_all(fleet)
