"""A passkey in software, made with another library than the one that checks it."""

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2.cose import ES256
from fido2.webauthn import (
    AttestationObject,
    AttestedCredentialData,
    AuthenticatorData,
    CollectedClientData,
)

FLAG = AuthenticatorData.FLAG
Json = dict[str, Any]


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Authenticator:
    """One passkey with the browser around it, which says `origin`. `counter` is what it has signed,
    and stays 0 unless it `counts`.
    """

    origin: str
    verifies: bool = True
    counts: bool = True
    counter: int = 0
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    user_handle: bytes = b""

    def make(self, options: Mapping[str, Any]) -> Json:
        """Answer to creation options, as a browser's `toJSON` has it."""
        self.user_handle = decoded(options["user"]["id"])
        client_data = self._client_data("webauthn.create", options)
        public_key = ES256.from_cryptography_key(self.key.public_key())  # type: ignore[no-untyped-call] # fido2's own
        made = AttestedCredentialData.create(bytes(16), self.credential_id, public_key)
        data = self._data(options["rp"]["id"], FLAG.AT, made)
        return self._credential(
            {
                "clientDataJSON": encoded(client_data),
                "attestationObject": encoded(AttestationObject.create("none", data, {})),
                "transports": ["internal", "hybrid"],
            }
        )

    def sign(self, options: Mapping[str, Any]) -> Json:
        """Answer to request options."""
        client_data = self._client_data("webauthn.get", options)
        self.counter += self.counts
        data = self._data(options["rpId"], FLAG(0))
        signed = data + hashlib.sha256(client_data).digest()
        return self._credential(
            {
                "clientDataJSON": encoded(client_data),
                "authenticatorData": encoded(data),
                "signature": encoded(self.key.sign(signed, ec.ECDSA(hashes.SHA256()))),
                "userHandle": encoded(self.user_handle),
            }
        )

    def _client_data(self, kind: str, options: Mapping[str, Any]) -> bytes:
        return CollectedClientData.create(kind, options["challenge"], self.origin)

    def _data(self, rp_id: str, flags: FLAG, credential: bytes = b"") -> AuthenticatorData:
        flags |= FLAG.UP | (FLAG.UV if self.verifies else FLAG(0))
        rp_id_hash = hashlib.sha256(rp_id.encode()).digest()
        data: AuthenticatorData = AuthenticatorData.create(
            rp_id_hash, flags, self.counter, credential
        )
        return data

    def _credential(self, response: Json) -> Json:
        return {
            "id": encoded(self.credential_id),
            "rawId": encoded(self.credential_id),
            "type": "public-key",
            "response": response,
            "clientExtensionResults": {},
            "authenticatorAttachment": "platform",
        }


def changed(credential: Json, name: str, value: object) -> Json:
    """Return a browser's answer whose client data says something else."""
    response = credential["response"]
    client_data = {**json.loads(decoded(response["clientDataJSON"])), name: value}
    written = encoded(json.dumps(client_data).encode())
    return {**credential, "response": {**response, "clientDataJSON": written}}
