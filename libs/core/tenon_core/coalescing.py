"""Many small questions of one moment, asked as one."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

from tenon_core import deadlines

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MAX_REMEMBERED = 100_000


class Coalescer(Generic[K, V]):
    """Answers by key. The keys wanted in one turn of the event loop are loaded together,
    a key that is being loaded is not loaded twice, and an answer is reused for a while.

    `load` returns the answers for all keys that it is given; what it raises reaches
    everybody who waits for one of them.
    """

    def __init__(
        self,
        load: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]],
        *,
        reuse_seconds: float = 0.0,
    ) -> None:
        self._load = load
        self._reuse_seconds = reuse_seconds
        self._wanted: dict[K, asyncio.Future[V]] = {}
        self._loading: dict[K, asyncio.Future[V]] = {}
        self._known: dict[K, tuple[float, V]] = {}
        self._batches: set[asyncio.Task[None]] = set()

    async def get(self, key: K, *, fresh: bool = False) -> V:
        """Return the answer; `fresh`: none that was known before."""
        known = None if fresh else self._reusable(key)
        return known[1] if known else await asyncio.shield(self._future(key))

    async def get_all(self, keys: Sequence[K], *, fresh: bool = False) -> list[V]:
        """Return the answers in the order of the keys; what must be loaded is loaded together."""
        found = [(not fresh and self._reusable(key)) or self._future(key) for key in keys]
        return [one[1] if isinstance(one, tuple) else await asyncio.shield(one) for one in found]

    def _reusable(self, key: K) -> tuple[float, V] | None:
        known = self._known.get(key)
        return known if known and known[0] > asyncio.get_running_loop().time() else None

    def _future(self, key: K) -> asyncio.Future[V]:
        future = self._loading.get(key) or self._wanted.get(key)
        if future is None:
            loop = asyncio.get_running_loop()
            if not self._wanted:
                loop.call_soon(self._start)
            future = self._wanted[key] = loop.create_future()
        return future

    def _start(self) -> None:
        wanted, self._wanted = self._wanted, {}
        self._loading.update(wanted)
        answering = self._answer(wanted)
        task = asyncio.get_running_loop().create_task(answering, context=deadlines.without())
        self._batches.add(task)
        task.add_done_callback(self._batches.discard)

    async def _answer(self, wanted: dict[K, asyncio.Future[V]]) -> None:
        asked_at = asyncio.get_running_loop().time()
        try:
            answers = await self._load(list(wanted))
        except Exception as error:  # noqa: BLE001 # handed to those who wait
            for future in wanted.values():
                future.set_exception(error)
                future.exception()
        else:
            for key, future in wanted.items():
                self._remember(key, answers[key], asked_at)
                future.set_result(answers[key])
        finally:
            for key in wanted:
                del self._loading[key]

    def _remember(self, key: K, answer: V, asked_at: float) -> None:
        if not self._reuse_seconds:
            return
        if len(self._known) >= MAX_REMEMBERED:
            self._known.clear()
        self._known[key] = (asked_at + self._reuse_seconds, answer)
