"""What browsers and passkeys are asked, and whether their answers hold (WebAuthn)."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

from tenon_auth.errors import InvalidPasskey
from tenon_auth.passkeys.models import Passkey
from tenon_auth.users.models import User

if TYPE_CHECKING:
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor

T = TypeVar("T")
Json = Mapping[str, Any]

USUAL_PORTS = {"http": 80, "https": 443}
TRANSPORTS = frozenset({"ble", "cable", "hybrid", "internal", "nfc", "smart-card", "usb"})


@dataclass(frozen=True, slots=True)
class NewKey:
    """What a device has made."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    backed_up: bool
    transports: Sequence[str]


@dataclass(frozen=True, slots=True)
class Signed:
    """An answer that holds."""

    sign_count: int
    backed_up: bool


class Ceremonies:
    """Passkeys of one site. `webauthn` takes 6 MB, so it is imported where somebody has one; and
    150 ms, so these are called in threads.
    """

    def __init__(self, public_url: str, product_name: str) -> None:
        """`public_url` is where browsers reach the site: passkeys work nowhere else. Browsers
        show `product_name`.
        """
        self._product_name = product_name
        self._rp_id = urlsplit(public_url).hostname or ""
        self._origin = origin_of(public_url)

    def creation_options(self, user: User, challenge: bytes, known: Sequence[Passkey]) -> Json:
        """Ask for a passkey that the user does not have yet; its handle is the user's id."""
        from webauthn import generate_registration_options
        from webauthn.helpers.structs import AuthenticatorSelectionCriteria, ResidentKeyRequirement

        return _json(
            generate_registration_options(
                rp_id=self._rp_id,
                rp_name=self._product_name,
                user_id=user.id.bytes,
                user_name=user.email,
                user_display_name=user.name,
                challenge=challenge,
                exclude_credentials=_descriptors(known),
                authenticator_selection=AuthenticatorSelectionCriteria(
                    resident_key=ResidentKeyRequirement.PREFERRED
                ),
            )
        )

    def request_options(
        self, challenge: bytes, allowed: Sequence[Passkey], *, verified: bool
    ) -> Json:
        """Ask for the answer of one of these passkeys, or of any that the browser offers; with
        `verified`, of one that makes sure of its user.
        """
        from webauthn import generate_authentication_options
        from webauthn.helpers.structs import UserVerificationRequirement as Verification

        return _json(
            generate_authentication_options(
                rp_id=self._rp_id,
                challenge=challenge,
                allow_credentials=_descriptors(allowed),
                user_verification=Verification.REQUIRED if verified else Verification.PREFERRED,
            )
        )

    def registered(self, credential: Json, challenge: bytes) -> NewKey:
        """Return what was made; InvalidPasskey."""
        from webauthn import verify_registration_response

        made = _or_invalid(
            lambda: verify_registration_response(
                credential=dict(credential),
                expected_challenge=challenge,
                expected_rp_id=self._rp_id,
                expected_origin=self._origin,
            )
        )
        return NewKey(
            made.credential_id,
            made.credential_public_key,
            made.sign_count,
            made.credential_backed_up,
            _or_invalid(lambda: _transports(credential)),
        )

    def signed(
        self, credential: Json, challenge: bytes, passkey: Passkey, *, verified: bool
    ) -> Signed:
        """Return what a passkey has signed; InvalidPasskey, also for a counter that went back: then
        there are two of it.
        """
        from webauthn import verify_authentication_response

        answer = _or_invalid(
            lambda: verify_authentication_response(
                credential=dict(credential),
                expected_challenge=challenge,
                expected_rp_id=self._rp_id,
                expected_origin=self._origin,
                credential_public_key=passkey.public_key,
                credential_current_sign_count=passkey.sign_count,
                require_user_verification=verified,
            )
        )
        return Signed(answer.new_sign_count, answer.credential_backed_up)


def origin_of(url: str) -> str:
    """Return the origin of a URL as browsers write it: without the usual port."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port not in (None, USUAL_PORTS.get(parts.scheme)) else ""
    return f"{parts.scheme}://{parts.hostname}{port}"


def challenge_of(credential: Json) -> bytes:
    """Return the challenge that a browser says it was given; InvalidPasskey."""

    def read() -> bytes:
        client_data = json.loads(_bytes(credential["response"]["clientDataJSON"]))
        return _bytes(client_data["challenge"])

    return _or_invalid(read)


def credential_id_of(credential: Json) -> bytes:
    """Return which passkey answers; InvalidPasskey."""
    return _or_invalid(lambda: _bytes(credential["id"]))


def owner_of(credential: Json) -> UUID:
    """Return whose passkey answers, as it says itself; InvalidPasskey."""
    return _or_invalid(lambda: UUID(bytes=_bytes(credential["response"]["userHandle"])))


def _or_invalid(read: Callable[[], T]) -> T:
    try:
        return read()
    except Exception:  # noqa: BLE001 # the library raises this and that for a stranger's bytes
        raise InvalidPasskey from None


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _transports(credential: Json) -> list[str]:
    said = credential["response"].get("transports") or []
    return sorted({one for one in said if isinstance(one, str)} & TRANSPORTS)


def _descriptors(passkeys: Sequence[Passkey]) -> "list[PublicKeyCredentialDescriptor]":
    from webauthn.helpers.structs import AuthenticatorTransport, PublicKeyCredentialDescriptor

    return [
        PublicKeyCredentialDescriptor(
            id=one.credential_id,
            transports=[AuthenticatorTransport(name) for name in one.transports],
        )
        for one in passkeys
    ]


def _json(options: Any) -> Json:
    from webauthn import options_to_json

    written: Json = json.loads(options_to_json(options))
    return written
