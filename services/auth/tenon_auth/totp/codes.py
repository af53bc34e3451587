"""Codes from a secret and the time (RFC 6238): SHA-1, six digits, steps of 30 seconds, because that
is what every authenticator app knows.
"""

import hmac
from datetime import datetime

from tenon_auth.second_factors.typed_codes import typed_code

DIGITS = 6
STEP_SECONDS = 30
DRIFT = 1
"""How many steps a telephone's clock may be off, either way."""


def new_secret() -> str:
    """Return 160 random bits, as RFC 4226 recommends, in base32."""
    import pyotp  # for processes that serve second factors

    return pyotp.random_base32(32)


def uri(secret: str, account: str, issuer: str) -> str:
    """Return what a QR code tells an app."""
    import pyotp

    return pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=issuer)


def matching_step(secret: str, code: str, at: datetime, last_step: int) -> int | None:
    """Return the step that a code is of, if it is after the last one used."""
    import pyotp

    totp, now = pyotp.TOTP(secret, digits=DIGITS, interval=STEP_SECONDS), int(at.timestamp())
    current, given, found = now // STEP_SECONDS, typed_code(code).encode(), None
    for step in range(current - DRIFT, current + DRIFT + 1):
        same = hmac.compare_digest(totp.generate_otp(step).encode(), given)
        if same and step > last_step:
            found = step
    return found
