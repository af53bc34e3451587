"""The gateway as its clients have it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from http.cookies import Morsel, SimpleCookie
from typing import Any, TypeAlias

from aiohttp import ClientResponse, ClientSession, DummyCookieJar

from tenon_gateway.app import Readiness
from tenon_policy.policies import Role
from tenon_testing.callers import Caller, Tenant

PROBLEM = "application/problem+json"


class Client:
    """A session whose responses are read whole, so that none is left open."""

    def __init__(self, session: ClientSession) -> None:
        self._session = session
        self.get = partial(self.request, "GET")
        self.head = partial(self.request, "HEAD")
        self.post = partial(self.request, "POST")
        self.put = partial(self.request, "PUT")
        self.delete = partial(self.request, "DELETE")

    async def request(self, method: str, path: str, **options: Any) -> ClientResponse:
        response = await self._session.request(method, path, **options)
        await response.read()
        return response


@asynccontextmanager
async def client_of(url: str) -> AsyncIterator[Client]:
    """Yield a client that keeps no cookies."""
    async with ClientSession(url, cookie_jar=DummyCookieJar()) as session:
        yield Client(session)


@dataclass(frozen=True)
class Gateway:
    """A gateway that runs, and a client of it that keeps no cookies."""

    port: int
    client: Client
    readiness: Readiness

    def cookies(self, caller: Caller) -> dict[str, str]:
        """Return the Cookie header of a caller's browser, with what a browser says of itself."""
        pairs = (("access", caller.access_token), ("refresh", caller.refresh_token))
        text = "; ".join(f"tenon_{name}_{self.port}={token}" for name, token in pairs)
        return {"cookie": text, "sec-fetch-site": "same-origin"}


def bearer(caller: Caller) -> dict[str, str]:
    return {"authorization": f"Bearer {caller.access_token}"}


Serve: TypeAlias = Callable[..., AbstractAsyncContextManager[Gateway]]
Join: TypeAlias = Callable[[Tenant, Role], Awaitable[Caller]]


async def problem(response: ClientResponse) -> dict[str, Any]:
    """Return the problem document that a response is, without what differs each time."""
    assert response.content_type == PROBLEM
    document: dict[str, Any] = await response.json()
    assert document.pop("request_id") == response.headers["x-request-id"]
    assert document["status"] == response.status
    return document


def set_cookies(response: ClientResponse) -> dict[str, "Morsel[str]"]:
    """Return the cookies that a response sets, by name."""
    cookies: SimpleCookie = SimpleCookie()
    for header in response.headers.getall("set-cookie", []):
        cookies.load(header)
    return dict(cookies)
