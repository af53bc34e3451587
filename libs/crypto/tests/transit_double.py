"""A double of Vault's Transit engine, by its documented HTTP interface: there is no Vault to test
with. It stands for `encrypt`, `decrypt`, `hmac`, and `keys` with `rotate` and `config`, over TLS.
"""

import base64
import hashlib
import hmac
import os
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tenon_crypto.transit_client import TransitAddress
from tenon_embedded.certificates import CertificateAuthority

TOKEN = "hvs.a-token-of-the-double"
NONCE_BYTES = 12


@dataclass
class TransitKey:
    """A named key: its versions from 1 on, and when they were made."""

    versions: list[bytes] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    min_decryption_version: int = 1

    def rotate(self) -> None:
        self.versions.append(os.urandom(32))
        self.times.append(int(time.time()))

    def of(self, version: int) -> bytes:
        if not self.min_decryption_version <= version <= len(self.versions):
            raise ValueError("disallowed by policy (too old)")
        return self.versions[version - 1]


class TransitDouble:
    """Holds keys, answers as Vault does, and notes what it was asked."""

    def __init__(self, *names: str) -> None:
        self.keys = {name: TransitKey() for name in names}
        for key in self.keys.values():
            key.rotate()
        self.token = TOKEN
        self.may_change = True
        self.away = False
        self.asked: list[str] = []

    @asynccontextmanager
    async def served(self, directory: Path) -> AsyncIterator[TransitAddress]:
        authority = CertificateAuthority(directory / "authority")
        issued = authority.issue("vault")
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(issued.cert, issued.key)
        app = web.Application()
        app.router.add_route("*", "/v1/transit/{path:.+}", self._handle)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        token_file = directory / "token"
        token_file.write_text(self.token + "\n")
        port = runner.addresses[0][1]
        try:
            yield TransitAddress(f"https://localhost:{port}", "transit", token_file, authority.cert)
        finally:
            await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        self.asked.append(f"{request.method} {path}")
        if self.away:
            return web.json_response({"errors": ["Vault is sealed"]}, status=503)
        changes = path.endswith(("/rotate", "/config"))
        if request.headers.get("X-Vault-Token") != self.token or (changes and not self.may_change):
            return web.json_response({"errors": ["permission denied"]}, status=403)
        verb, name, *rest = path.split("/")
        key = self.keys[name]
        if request.method == "GET":
            return web.json_response({"data": _read(name, key)})
        body = await request.json()
        if verb == "keys":
            return _changed(key, rest[0], body)
        if verb == "hmac":
            return web.json_response({"data": {"hmac": _hmac(key, body)}})
        return _batch({"encrypt": _encrypt, "decrypt": _decrypt}[verb], key, body)


def _read(name: str, key: TransitKey) -> dict[str, Any]:
    return {
        "name": name,
        "type": "aes256-gcm96",
        "keys": {str(number): at for number, at in enumerate(key.times, 1)},
        "latest_version": len(key.versions),
        "min_decryption_version": key.min_decryption_version,
        "min_encryption_version": 0,
    }


def _changed(key: TransitKey, what: str, body: dict[str, Any]) -> web.Response:
    if what == "rotate":
        key.rotate()
    else:
        key.min_decryption_version = body["min_decryption_version"]
    return web.Response(status=204)


def _hmac(key: TransitKey, body: dict[str, Any]) -> str:
    version = body["key_version"] or len(key.versions)
    digest = hmac.digest(key.versions[version - 1], _raw(body["input"]), hashlib.sha256)
    return f"vault:v{version}:{_text(digest)}"


def _batch(act: Any, key: TransitKey, body: dict[str, Any]) -> web.Response:
    """Answer each item; one that fails makes the status 400, and spoils no other."""
    results = []
    for item in body["batch_input"]:
        try:
            results.append(act(key, item))
        except (ValueError, InvalidTag) as error:
            results.append({"error": str(error) or "cipher: message authentication failed"})
    failed = any("error" in result for result in results)
    return web.json_response({"data": {"batch_results": results}}, status=400 if failed else 200)


def _encrypt(key: TransitKey, item: dict[str, str]) -> dict[str, str]:
    nonce, version = os.urandom(NONCE_BYTES), len(key.versions)
    sealed = AESGCM(key.versions[-1]).encrypt(
        nonce, _raw(item["plaintext"]), _raw(item["associated_data"])
    )
    return {"ciphertext": f"vault:v{version}:{_text(nonce + sealed)}"}


def _decrypt(key: TransitKey, item: dict[str, str]) -> dict[str, str]:
    _, version, sealed = item["ciphertext"].split(":")
    raw, aead = _raw(sealed), AESGCM(key.of(int(version[1:])))
    plain = aead.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _raw(item["associated_data"]))
    return {"plaintext": _text(plain)}


def _raw(text: str) -> bytes:
    return base64.b64decode(text)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
