"""A3: tabs that are restored at once refresh the session of one cookie jar, and keep it.

A tab sends what the jar holds at that moment. The jar takes what a reply sets when it arrives,
which need not be in the order in which the gateway made the replies.
"""

import asyncio
import random
from collections.abc import AsyncIterator

import psycopg
import pytest
from aiohttp import ClientSession, DummyCookieJar, TCPConnector

from services.gateway.tests.browsing import Client, Gateway, set_cookies
from tenon_auth.sessions.models import GRACE_SECONDS, ROTATION_SECONDS
from tenon_testing.callers import Caller, Callers
from tenon_testing.sessions import AGE

TABS = 12
OFFSET_SECONDS = 1.0
LATENCY_SECONDS = (0.005, 0.2)
AGES = (0.0, GRACE_SECONDS - 0.5, ROTATION_SECONDS - 0.5, 3_600.0)
"""How much older a token gets between two rounds: both bounds are crossed within a round, too."""
JARS = 10
"""At once."""
ROUNDS = 2
LONG_ROUNDS = 100


class CookieJar:
    """The cookies that all tabs of a browser share."""

    def __init__(self, client: Client, cookies: dict[str, str]) -> None:
        self._client = client
        self._cookies = cookies

    async def send(self, method: str, path: str, *, there: float, back: float) -> int:
        """Send a request that takes so many seconds there and back; return the status."""
        cookie = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        headers = {"cookie": cookie, "sec-fetch-site": "same-origin"}
        await asyncio.sleep(there)
        response = await self._client.request(method, path, headers=headers)
        await asyncio.sleep(back)
        for name, morsel in set_cookies(response).items():
            if morsel["max-age"] == "0":
                self._cookies.pop(name, None)
            else:
                self._cookies[name] = morsel.value
        return response.status


class Browser:
    """Tabs of one person that are restored together, again and again."""

    def __init__(
        self, gateway: Gateway, client: Client, caller: Caller, dice: random.Random
    ) -> None:
        pairs = (("access", caller.access_token), ("refresh", caller.refresh_token))
        cookies = {f"tenon_{name}_{gateway.port}": token for name, token in pairs}
        self._jar = CookieJar(client, cookies)
        self._dice = dice

    async def restore(self) -> set[int]:
        """Return the statuses that the tabs see."""
        statuses = await asyncio.gather(*(self._tab() for _ in range(TABS)))
        return {status for pair in statuses for status in pair}

    async def _tab(self) -> tuple[int, int]:
        await asyncio.sleep(self._dice.uniform(0, OFFSET_SECONDS))
        return (
            await self._send("POST", "/api/auth/refresh"),
            await self._send("GET", "/api/auth/session"),
        )

    async def _send(self, method: str, path: str) -> int:
        latency = self._dice.uniform(*LATENCY_SECONDS)
        there = self._dice.uniform(0, latency)
        return await self._jar.send(method, path, there=there, back=latency - there)


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[Client]:
    """A client with a connection for each tab."""
    url = f"http://127.0.0.1:{gateway.port}"
    connector = TCPConnector(limit=0)
    async with ClientSession(url, cookie_jar=DummyCookieJar(), connector=connector) as session:
        yield Client(session)


@pytest.mark.parametrize(
    "rounds",
    [ROUNDS, pytest.param(LONG_ROUNDS, marks=[pytest.mark.long, pytest.mark.timeout(900)])],
)
async def test_restored_tabs_keep_their_session(
    gateway: Gateway,
    client: Client,
    callers: Callers,
    admin: psycopg.AsyncConnection,
    rounds: int,
    seed: int,
) -> None:
    dice = random.Random(seed)  # noqa: S311 # latencies
    people = [await callers.user() for _ in range(JARS)]
    browsers = [Browser(gateway, client, person, dice) for person in people]
    logged_out = 0
    for _ in range(rounds):
        for person in people:
            age = {"id": person.session_id, "seconds": dice.choice(AGES)}
            await admin.execute(AGE, age)
        seen = await asyncio.gather(*(browser.restore() for browser in browsers))
        logged_out += sum(statuses != {200} for statuses in seen)
    print(f"{rounds * JARS} rounds of {TABS} tabs: {logged_out} logged out")  # noqa: T201 # the figure
    assert logged_out == 0
