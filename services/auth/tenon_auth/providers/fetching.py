"""What providers are asked over HTTP: with little patience, and without following them anywhere."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenon_auth.errors import ProviderUnavailable

if TYPE_CHECKING:
    from aiohttp import ClientResponse

SECONDS = 5.0
MAX_BYTES = 256 * 1024
OK = 200
# Packed bodies would be larger than they look.
HEADERS = {"accept": "application/json", "accept-encoding": "identity"}

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fetched:
    status: int
    body: JsonObject


async def get(url: str, *, bearer: str = "") -> JsonObject:
    """Return the JSON object at a URL; ProviderUnavailable."""
    headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
    fetched = await _fetch("GET", url, headers=headers)
    if fetched.status != OK:
        raise ProviderUnavailable
    return fetched.body


async def post(url: str, form: Mapping[str, str], *, headers: Mapping[str, str]) -> Fetched:
    """Send a form; ProviderUnavailable unless the answer is a JSON object, of whatever status."""
    return await _fetch("POST", url, headers=headers, data=form)


async def _fetch(method: str, url: str, *, headers: Mapping[str, str], **options: Any) -> Fetched:
    from aiohttp import ClientError, ClientSession, DummyCookieJar  # 8 MB, where providers are

    try:
        async with (
            asyncio.timeout(SECONDS),
            ClientSession(cookie_jar=DummyCookieJar(), auto_decompress=False) as session,
            session.request(
                method, url, headers={**HEADERS, **headers}, allow_redirects=False, **options
            ) as response,
        ):
            body = json.loads(await _bounded(response))
            if not isinstance(body, dict):
                raise ProviderUnavailable
            return Fetched(response.status, body)
    except (ClientError, OSError, TimeoutError, ValueError, RecursionError) as error:
        raise ProviderUnavailable from error


async def _bounded(response: "ClientResponse") -> bytes:
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > MAX_BYTES:
            raise ProviderUnavailable
    return bytes(body)
