from datetime import datetime

from tenon_auth.errors import InvalidCode, TotpExists, TotpNotFound
from tenon_auth.totp import codes
from tenon_auth.totp.models import TotpFactor
from tenon_auth.totp.repository import TotpRepository
from tenon_auth.users.models import User
from tenon_core import clock
from tenon_core.ids import uuid7
from tenon_crypto.fields import FieldCipher
from tenon_db.transaction import Transaction


class TotpService:
    """Codes of authenticator apps, in a transaction of their user."""

    def __init__(self, cipher: FieldCipher, product_name: str) -> None:
        """`product_name` is what apps show beside the codes."""
        self._cipher = cipher
        self._product_name = product_name

    async def start(self, tx: Transaction, user: User) -> tuple[str, str]:
        """Make a secret that waits for its confirmation; TotpExists if there is a confirmed one.

        Returns it, and as the URI that apps take.
        """
        factor = TotpFactor(user.id, uuid7(), codes.new_secret(), clock.now())
        if not await TotpRepository(tx, self._cipher).put(factor):
            raise TotpExists
        return factor.secret, codes.uri(factor.secret, user.email, self._product_name)

    async def confirm(self, tx: Transaction, code: str) -> None:
        """Make the secret a second factor; TotpNotFound, InvalidCode."""
        at, totp = clock.now(), TotpRepository(tx, self._cipher)
        factor = await totp.find()
        if factor is None or not factor.waits(at):
            raise TotpNotFound
        step = codes.matching_step(factor.secret, code, at, factor.last_step)
        if step is None or not await totp.confirm(factor.id, step, at):
            raise InvalidCode

    async def use(self, tx: Transaction, code: str) -> None:
        """Use a code up, with all those before it; InvalidCode."""
        at, totp = clock.now(), TotpRepository(tx, self._cipher)
        factor = await totp.find()
        if factor is None:
            raise InvalidCode
        step = codes.matching_step(factor.secret, code, at, factor.last_step)
        if step is None or not await totp.use(factor.id, step, at):
            raise InvalidCode

    async def find(self, tx: Transaction) -> TotpFactor | None:
        """Return the user's app, if it is confirmed."""
        factor = await TotpRepository(tx, self._cipher).find()
        return factor if factor and factor.confirm_time else None

    async def remove_since(self, tx: Transaction, at: datetime) -> bool:
        """Remove an app that was confirmed since then, or waits for it; say whether it was one."""
        return await TotpRepository(tx, self._cipher).remove_since(at)

    async def remove(self, tx: Transaction) -> None:
        if not await TotpRepository(tx, self._cipher).remove_confirmed():
            raise TotpNotFound
