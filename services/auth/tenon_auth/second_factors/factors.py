"""Which second factors somebody has, and whether a proof is of one."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from tenon_auth import events
from tenon_auth.devices.models import Device
from tenon_auth.errors import InvalidCode
from tenon_auth.passkeys.challenges import Purpose
from tenon_auth.passkeys.keys import Passkeys
from tenon_auth.recovery_codes.service import RecoveryCodeService
from tenon_auth.second_factors.models import (
    Code,
    Kind,
    PasskeyAnswer,
    Proof,
    RecoveryCode,
    may_follow,
)
from tenon_auth.second_factors.repository import SecondFactorRepository
from tenon_auth.second_steps.service import SecondStepService
from tenon_auth.sessions.live import LiveSessions
from tenon_auth.sessions.models import SecondStep
from tenon_auth.totp.service import TotpService
from tenon_auth.users.holding import hold
from tenon_db.transaction import Transaction
from tenon_policy.call import Call


class SecondFactors:
    """Second factors, in a transaction of their user."""

    def __init__(
        self,
        totp: TotpService,
        passkeys: Passkeys,
        recovery_codes: RecoveryCodeService,
        second_steps: SecondStepService,
        live_sessions: LiveSessions,
    ) -> None:
        self._totp = totp
        self._passkeys = passkeys
        self._recovery_codes = recovery_codes
        self._second_steps = second_steps
        self._live_sessions = live_sessions

    async def kinds(self, tx: Transaction) -> list[Kind]:
        """Return what the user can prove with; nothing if they have no second factor."""
        held = await self._held(tx)
        if held and await self._recovery_codes.count_left(tx):
            held.append(Kind.RECOVERY_CODE)
        return held

    async def ask(
        self, tx: Transaction, call: Call, user_id: UUID, device: Device, methods: Sequence[str]
    ) -> SecondStep | None:
        """Let a log-in wait for a second factor; None for who has none."""
        kinds = await self.kinds(tx)
        if not kinds:
            return None
        waiting, token, device_token = await self._second_steps.make(tx, user_id, device, methods)
        await tx.publish(call.access(f"second-steps/{waiting.id}", user_id=user_id))
        return SecondStep(
            token, device_token, [kind for kind in kinds if may_follow(methods, kind)]
        )

    async def prove(
        self, tx: Transaction, user_id: UUID, proof: Proof | None, purpose: Purpose
    ) -> Kind:
        """Use a proof up, in the transaction of its effect, and return what it is of.

        InvalidCode, InvalidPasskey, ChallengeSpent.
        """
        match proof:
            case Code(text):
                await self._totp.use(tx, text)
                return Kind.TOTP
            case RecoveryCode(text):
                await self._recovery_codes.use(tx, user_id, text)
                return Kind.RECOVERY_CODE
            case PasskeyAnswer(credential):
                await self._passkeys.use(tx, user_id, credential, purpose)
                return Kind.PASSKEY
            case None:
                raise InvalidCode

    async def lock(self, tx: Transaction, user_id: UUID) -> None:
        """Begin a change: others wait until the commit, and no log-in goes on that had to prove
        what was there before.
        """
        await hold(tx, user_id)
        await SecondFactorRepository(tx).lock(user_id)
        await self._second_steps.use_up(tx, user_id)

    async def added(self, tx: Transaction, call: Call, kind: Kind) -> Sequence[str]:
        """Tell of a second factor that was added; return recovery codes if it is the first.

        SessionEnded if the session that adds it has ended meanwhile.
        """
        await tx.publish(events.second_factor_added(call.user, kind))
        totp, passkeys = await self._totp.find(tx), await self._passkeys.count(tx)
        if bool(totp) + passkeys == 1:
            return await self.replace_recovery_codes(tx, call)
        await self._live_sessions.require(tx, call.session)
        return []

    async def replace_recovery_codes(self, tx: Transaction, call: Call) -> Sequence[str]:
        """Return new codes in place of all others; SessionEnded, as above."""
        codes = await self._recovery_codes.replace(tx, call.user)
        await self._live_sessions.require(tx, call.session)
        return codes

    async def removed(self, tx: Transaction, user_id: UUID, kind: Kind) -> None:
        """Tell of a second factor that was removed; with the last one go the recovery codes."""
        await tx.publish(events.second_factor_removed(user_id, kind))
        if not await self._held(tx):
            await self._recovery_codes.remove_all(tx)

    async def withdraw(self, tx: Transaction, user_id: UUID, since: datetime) -> None:
        """Remove what a thief of the account may have added since then, and all recovery codes,
        which they may have replaced.
        """
        await self.lock(tx, user_id)
        if await self._totp.remove_since(tx, since):
            await tx.publish(events.second_factor_removed(user_id, Kind.TOTP))
        if await self._passkeys.remove_since(tx, since):
            await tx.publish(events.second_factor_removed(user_id, Kind.PASSKEY))
        await self._recovery_codes.remove_all(tx)

    async def _held(self, tx: Transaction) -> list[Kind]:
        held = {Kind.TOTP: await self._totp.find(tx), Kind.PASSKEY: await self._passkeys.count(tx)}
        return [kind for kind, found in held.items() if found]
