from collections.abc import Sequence

from tenon_auth import events
from tenon_auth.errors import NoSecondFactor
from tenon_auth.passkeys.keys import Passkeys
from tenon_auth.recovery_codes.service import RecoveryCodeService
from tenon_auth.second_factors.factors import SecondFactors
from tenon_auth.second_factors.models import Factor, Factors, Kind
from tenon_auth.totp.service import TotpService
from tenon_auth.users.service import UserService
from tenon_db.database import Database
from tenon_db.transaction import Transaction
from tenon_policy.call import Call


class SecondFactorService:
    """How second factors come and go, but passkeys, which have a service of their own."""

    def __init__(
        self,
        database: Database,
        users: UserService,
        totp: TotpService,
        passkeys: Passkeys,
        recovery_codes: RecoveryCodeService,
        factors: SecondFactors,
    ) -> None:
        self._database = database
        self._users = users
        self._totp = totp
        self._passkeys = passkeys
        self._recovery_codes = recovery_codes
        self._factors = factors

    async def list(self, call: Call) -> Factors:
        """Return all that the caller has."""
        async with self._database.user(call.user) as tx:
            items = [*await self._apps(tx), *await self._keys(tx)]
            return Factors(items, await self._recovery_codes.count_left(tx))

    async def start_totp(self, call: Call) -> tuple[str, str]:
        """Return a secret for the caller's app, and its URI, this once; TotpExists."""
        async with self._database.user(call.user) as tx:
            user = await self._users.get_within(tx, call.user)
            started = await self._totp.start(tx, user)
            await tx.publish(call.access("totp"))
        return started

    async def confirm_totp(self, call: Call, code: str) -> Sequence[str]:
        """Make the app a second factor; return recovery codes if it is the first one.

        InvalidCode, TotpNotFound.
        """
        async with self._database.user(call.user) as tx:
            await self._factors.lock(tx, call.user)
            await self._totp.confirm(tx, code)
            codes = await self._factors.added(tx, call, Kind.TOTP)
            await tx.publish(call.access("totp"))
        return codes

    async def remove_totp(self, call: Call) -> None:
        """Take the app away; TotpNotFound."""
        async with self._database.user(call.user) as tx:
            await self._factors.lock(tx, call.user)
            await self._totp.remove(tx)
            await self._factors.removed(tx, call.user, Kind.TOTP)
            await tx.publish(call.access("totp"))

    async def replace_recovery_codes(self, call: Call) -> Sequence[str]:
        """Return new recovery codes, this once; NoSecondFactor."""
        async with self._database.user(call.user) as tx:
            await self._factors.lock(tx, call.user)
            if not await self._factors.kinds(tx):
                raise NoSecondFactor
            codes = await self._factors.replace_recovery_codes(tx, call)
            await tx.publish(
                events.recovery_codes_replaced(call.user), call.access("recovery-codes")
            )
        return codes

    async def _apps(self, tx: Transaction) -> Sequence[Factor]:
        app = await self._totp.find(tx)
        return [Factor(Kind.TOTP, app.confirm_time or app.create_time, app.use_time)] if app else []

    async def _keys(self, tx: Transaction) -> Sequence[Factor]:
        return [
            Factor(Kind.PASSKEY, key.create_time, key.use_time, str(key.id), key.name)
            for key in await self._passkeys.find_all(tx)
        ]
