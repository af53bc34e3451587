"""Many small writes and reads in an open loop: what is slow holds nothing up."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from itertools import count
from random import Random
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx

from tenon_core import clock
from tenon_testing.callers import PASSWORD
from tests.crashes import data
from tests.crashes.actor import DATASET, TAKEN, Actor, id_of, judged
from tests.crashes.ledger import Kind, Ledger, Told, Write
from tests.crashes.reads import reads_of

BATCH_EVENTS = 3
READ_EACH = 4
"""One of so many requests reads."""


class Load:
    """Sends `rate` requests each second while a block lasts, of actors with a dataset each."""

    def __init__(
        self, url: str, ledger: Ledger, members: Sequence[tuple[Actor, str]], *, rate: int
    ) -> None:
        self._url = url
        self._ledger = ledger
        self._members = members
        self._rate = rate
        self._numbers = count()
        self._chance = Random(rate)  # noqa: S311 # no secret
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="load")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    async def _run(self) -> None:
        limits = httpx.Limits(max_connections=256, max_keepalive_connections=64)
        headers = {"Origin": self._url}
        async with (
            httpx.AsyncClient(
                base_url=self._url, headers=headers, timeout=30, limits=limits
            ) as client,
            asyncio.TaskGroup() as group,
        ):
            started = asyncio.get_running_loop().time()
            for number in count():
                if self._over.is_set():
                    return
                send = self._write if number % READ_EACH else self._read
                group.create_task(send(client))
                due = started + number / self._rate
                await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))

    async def _read(self, client: httpx.AsyncClient) -> None:
        actor, dataset = self._chance.choice(self._members)
        question = self._chance.choice(reads_of(actor, dataset))
        cookies = actor.cookies
        asked = clock.current_minute()
        try:
            reply = await client.get(question.path, headers={"Cookie": cookies})
        except httpx.TransportError:
            return
        if reply.is_success:
            self._ledger.add_read(question.answered(cookies, asked))

    async def _write(self, client: httpx.AsyncClient) -> None:
        make: Callable[[Actor, str], Any] = self._chance.choices(
            (self._events, self._dataset, self._organization, self._account), (60, 25, 10, 5)
        )[0]
        actor, dataset = self._chance.choice(self._members)
        kind, key, path, body, noted = make(actor, dataset)
        headers = {} if kind is Kind.USER else {"Cookie": actor.cookies}
        try:
            reply = await client.post(path, json=body, headers=headers)
        except httpx.TransportError:
            self._ledger.add(Write(kind, actor.org_id, key, Told.UNKNOWN, noted))
            return
        told = judged(reply, TAKEN)
        made = id_of(reply) if told is Told.DONE else ""
        request = reply.headers.get("x-request-id", "")
        if told is Told.REFUSED:
            noted = {**noted, "refusal": f"{reply.status_code} {reply.text}"}
        self._ledger.add(Write(kind, actor.org_id, key, told, noted, made, request))
        client.cookies.clear()  # nobody here is the one who signed up last

    def _events(self, actor: Actor, dataset: str) -> Any:
        events = data.events(next(self._numbers) * BATCH_EVENTS, BATCH_EVENTS)
        path = f"{actor.org}/datasets/{dataset}/events"
        noted = {"dataset_id": dataset, "events": events}
        return Kind.EVENTS, events[0]["id"], path, {"events": events}, noted

    def _dataset(self, actor: Actor, _: str) -> Any:
        body = {"name": uuid4().hex, **DATASET}
        return Kind.DATASET, body["name"], f"{actor.org}/datasets", body, body

    def _organization(self, _: Actor, __: str) -> Any:
        body = {"name": "Acme", "slug": f"s{uuid4().hex[:20]}"}
        return Kind.ORGANIZATION, body["slug"], "/api/orgs", body, body

    def _account(self, _: Actor, __: str) -> Any:
        body = {"email": f"{uuid4()}@example.com", "password": PASSWORD, "name": "Ada"}
        return Kind.USER, body["email"], "/api/auth/signup", body, body
