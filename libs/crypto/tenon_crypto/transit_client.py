"""HashiCorp Vault's Transit engine over HTTP: with little patience, for transactions may wait."""

import asyncio
import json
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import structlog

from tenon_core.errors import Unavailable

SECONDS = 2.0
AWAY_SECONDS = 1.0
"""How long Vault is left alone after it has failed to answer: nobody waits for it meanwhile."""
BATCH = 500
OK, BAD_REQUEST, FORBIDDEN = 200, 400, 403
NO_CONTENT = 204

log = structlog.get_logger()

JsonObject = Mapping[str, Any]


class Forbidden(Exception):
    """Vault does not let this token do that."""


@dataclass(frozen=True)
class TransitAddress:
    """Where Vault and its Transit engine are. The token is read for each request, so that whoever
    renews it needs to restart nothing.
    """

    url: str
    mount: str
    token_file: Path
    ca_file: Path | None = None

    @cached_property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca_file)


class TransitClient:
    """Requests to one Transit engine. What fails is Unavailable, and neither tokens nor bodies are
    logged.
    """

    def __init__(self, address: TransitAddress) -> None:
        self._address = address
        self._away_until = 0.0

    async def read_key(self, name: str) -> JsonObject:
        return await self._ask("GET", f"keys/{name}")

    async def rotate(self, name: str) -> None:
        """Add a version of a key; Forbidden."""
        await self._ask("POST", f"keys/{name}/rotate", {})

    async def configure(self, name: str, settings: JsonObject) -> None:
        """Change a key's settings; Forbidden."""
        await self._ask("POST", f"keys/{name}/config", settings)

    async def hmac(self, name: str, version: int, message: str) -> str:
        body = {"input": message, "key_version": version}
        answer: str = (await self._ask("POST", f"hmac/{name}/sha2-256", body))["hmac"]
        return answer

    async def batch(self, verb: str, name: str, items: Sequence[JsonObject]) -> list[JsonObject]:
        """Encrypt or decrypt; an item that does not go through is answered by an `error`."""
        results: list[JsonObject] = []
        for start in range(0, len(items), BATCH):
            some = items[start : start + BATCH]
            answer = await self._ask("POST", f"{verb}/{name}", {"batch_input": some})
            results += answer["batch_results"]
        return results

    async def _ask(self, method: str, path: str, body: JsonObject | None = None) -> JsonObject:
        if time.monotonic() < self._away_until:
            raise Unavailable(retry_after=AWAY_SECONDS)
        try:
            return await self._asked(method, path, body)
        except (OSError, TimeoutError, ValueError, KeyError) as error:  # aiohttp's are of these
            self._away_until = time.monotonic() + AWAY_SECONDS
            log.warning("vault does not answer", path=path, error=type(error).__name__)
            raise Unavailable(retry_after=AWAY_SECONDS) from None

    async def _asked(self, method: str, path: str, body: JsonObject | None) -> JsonObject:
        from aiohttp import ClientError, ClientSession, DummyCookieJar  # 8 MB, where Vault is used

        url = f"{self._address.url}/v1/{self._address.mount}/{path}"
        headers = {"x-vault-token": self._address.token_file.read_text().strip()}
        try:
            async with (
                asyncio.timeout(SECONDS),
                ClientSession(cookie_jar=DummyCookieJar()) as session,
                session.request(
                    method,
                    url,
                    json=body,
                    headers=headers,
                    ssl=self._address.tls,
                    allow_redirects=False,
                ) as response,
            ):
                return _answer(response.status, await response.read())
        except ClientError as error:
            raise OSError(type(error).__name__) from None


def _answer(status: int, body: bytes) -> JsonObject:
    """Return what an answer holds. Of a batch in which anything failed the status is 400."""
    if status == FORBIDDEN:
        raise Forbidden
    if status == NO_CONTENT:
        return {}
    data: JsonObject = json.loads(body).get("data") or {}
    if status != OK and not (status == BAD_REQUEST and "batch_results" in data):
        raise ValueError(f"status {status}")
    return data
