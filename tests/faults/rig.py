"""A system whose edges can be spoiled, and somebody who uses it."""

import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import aiohttp

from tenon_embedded.server import Server
from tenon_testing.callers import PASSWORD
from tenon_testing.proxy import Proxy
from tenon_testing.system import System
from tenon_testing.waiting import eventually

REQUEST_SECONDS = 3.0
"""What the gateway gives the services for an answer, here."""
LATE_SECONDS = 0.25
RECOVERY_SECONDS = 10.0
OK = 200
UNAVAILABLE = 503


@dataclass
class Answers:
    """What came back: statuses, and the longest wait."""

    statuses: Counter[int] = field(default_factory=Counter)
    longest: float = 0.0

    @property
    def count(self) -> int:
        return self.statuses.total()

    @property
    def good(self) -> int:
        return sum(count for status, count in self.statuses.items() if status < 400)


@dataclass
class User:
    """Somebody who is logged in and owns an organization with a dataset."""

    session: aiohttp.ClientSession
    user_id: str
    email: str
    org_id: str = ""
    dataset_id: str = ""

    @property
    def org(self) -> str:
        return f"/api/orgs/{self.org_id}"

    @property
    def access_token(self) -> str:
        cookies = self.session.cookie_jar
        return next(cookie.value for cookie in cookies if cookie.key.startswith("tenon_access"))

    async def send(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        """Return the status and the JSON of a reply."""
        async with self.session.request(method, path, **options) as reply:
            body = await reply.read()
            is_json = "json" in reply.content_type
            return reply.status, (await reply.json() if body and is_json else body)

    async def make(self, path: str, **json: Any) -> Any:
        """Create something; it must succeed once the system is well again after a test before."""

        async def made() -> Any:
            status, said = await self.send("POST", path, json=json)
            assert status in (201, 202, UNAVAILABLE), said
            return None if status == UNAVAILABLE else said

        return await eventually(made, within=RECOVERY_SECONDS)

    async def status(self, path: str) -> int:
        return (await self.send("GET", path))[0]


@dataclass
class Rig:
    """A whole system with a proxy on each edge named, by process and what it asks."""

    system: System
    edges: dict[tuple[str, str], Proxy]

    def heal(self) -> None:
        for proxy in self.edges.values():
            proxy.heal()

    @asynccontextmanager
    async def user(self) -> AsyncIterator[User]:
        """Sign somebody new up."""
        async with signed_up(self.system.url, 1) as (user,):
            yield user


@asynccontextmanager
async def signed_up(url: str, count: int) -> AsyncIterator[list[User]]:
    """Sign so many up at a gateway."""
    async with AsyncExitStack() as stack:
        users = []
        for _ in range(count):
            session = aiohttp.ClientSession(
                url,
                headers={"Origin": url},
                cookie_jar=aiohttp.CookieJar(unsafe=True),
                timeout=aiohttp.ClientTimeout(total=60),
            )
            users.append(await _sign_up(await stack.enter_async_context(session)))
        yield users


async def _sign_up(session: aiohttp.ClientSession) -> User:
    user = User(session, "", f"{uuid4()}@example.com")
    account = {"email": user.email, "password": PASSWORD, "name": "Ada"}
    user.user_id = (await user.make("/api/auth/signup", **account))["user"]["id"]
    user.org_id = (await user.make("/api/orgs", name="Acme"))["id"]
    dataset = {"name": "orders", "dimensions": ["product"], "measures": ["amount"]}
    user.dataset_id = (await user.make(f"{user.org}/datasets", **dataset))["id"]
    return user


def kill(server: Server) -> None:
    """End a process as a power cut would; it can be started again."""
    os.kill(server.pid, signal.SIGKILL)
    server.stop()


async def repeatedly(ask: Callable[[], Awaitable[int]], seconds: float) -> Answers:
    """Ask one after the other for so long."""
    answers, until = Answers(), time.monotonic() + seconds
    while time.monotonic() < until:
        started = time.monotonic()
        answers.statuses[await ask()] += 1
        answers.longest = max(answers.longest, time.monotonic() - started)
    return answers
