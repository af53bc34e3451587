"""Requests to addresses that a tenant chose.

Every address is judged at the last moment, when the socket for it is made: whatever a name resolved
to before, nothing is connected to but what was judged. Nobody is followed to anywhere else.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenon_outbound.addresses import is_public
from tenon_outbound.destinations import destination
from tenon_outbound.errors import AddressForbidden, NotAnswered

if TYPE_CHECKING:
    from aiohttp import ClientResponse
    from aiohttp.abc import ResolveResult

MAX_BYTES = 64 * 1024
RESOLVING_THREADS = 8
"""Of their own: names whose servers do not answer hold up nothing else."""
HEADERS = {"user-agent": "Tenon", "accept-encoding": "identity"}

Resolve = Callable[..., Sequence[tuple[Any, ...]]]
"""As `socket.getaddrinfo`."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered; of the body no more than MAX_BYTES. Names of headers are in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class Outbound:
    """Sends to the public internet alone, by TLS; and to the `host:port`s that are allowed."""

    def __init__(
        self,
        allowed: Collection[str] = (),
        *,
        resolve: Resolve = socket.getaddrinfo,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allowed = frozenset(allowed)
        self._resolve = resolve
        self._tls = tls
        self._threads = ThreadPoolExecutor(RESOLVING_THREADS, thread_name_prefix="outbound-dns")

    def require(self, url: str) -> None:
        """Refuse a URL that nothing would be sent to; UrlRefused, AddressForbidden."""
        destination(url, self._allowed)

    async def send(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes, seconds: float
    ) -> Reply:
        """Send a request, and return the reply to it; UrlRefused, AddressForbidden, NotAnswered.

        All of it, from the name's look-up on, takes so many seconds at most.
        """
        from aiohttp import ClientError, ClientSession, DummyCookieJar, TCPConnector  # 8 MB

        to = destination(url, self._allowed)
        gate = Gate(to.allowed, self._resolve, self._threads)
        try:
            async with (
                asyncio.timeout(seconds),
                TCPConnector(
                    resolver=gate,  # type: ignore[arg-type] # it has all that is asked of one
                    socket_factory=gate.open,
                    use_dns_cache=False,
                    force_close=True,
                    ssl=self._tls or True,
                ) as connector,
                ClientSession(
                    connector=connector, cookie_jar=DummyCookieJar(), auto_decompress=False
                ) as session,
                session.request(
                    method,
                    to.url,
                    headers={**HEADERS, **headers},
                    data=body,
                    allow_redirects=False,
                ) as response,
            ):
                answered = {name.lower(): value for name, value in response.headers.items()}
                return Reply(response.status, await _bounded(response), answered)
        except TimeoutError:
            raise NotAnswered(f"it did not answer within {seconds:.0f} s") from None
        except (ClientError, OSError, ValueError) as error:
            raise NotAnswered("it could not be reached, or did not answer in HTTP") from error


class Gate:
    """Judges each address of one request: those that a name has, and that of each socket."""

    def __init__(self, allowed: bool, resolve: Resolve, threads: ThreadPoolExecutor) -> None:
        self._allowed = allowed
        self._resolve = resolve
        self._threads = threads

    async def resolve(
        self, host: str, port: int = 0, family: int = socket.AF_UNSPEC
    ) -> "list[ResolveResult]":
        """Return a name's addresses, all of which are good; OSError."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._threads, self._resolve, host, port, family, socket.SOCK_STREAM
        )
        for *_, address in found:
            self._require(address)
        return [
            {
                "hostname": host,
                "host": address[0],
                "port": port,
                "family": one,
                "proto": proto,
                "flags": socket.AI_NUMERICHOST,
            }
            for one, _, proto, _, address in found
        ]

    async def close(self) -> None:
        """Do nothing: the threads are its maker's."""

    def open(self, info: tuple[Any, ...]) -> socket.socket:
        """Make the socket for an address."""
        family, kind, proto, _, address = info
        self._require(address)
        return socket.socket(family, kind, proto)

    def _require(self, address: tuple[Any, ...]) -> None:
        if not self._allowed and not is_public(address[0]):
            raise AddressForbidden


async def _bounded(response: "ClientResponse") -> bytes:
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) >= MAX_BYTES:
            break
    return bytes(body[:MAX_BYTES])
