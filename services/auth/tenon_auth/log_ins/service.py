from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

from tenon_auth.devices.models import Device
from tenon_auth.devices.service import DeviceService
from tenon_auth.errors import (
    InvalidCode,
    InvalidCredentials,
    SecondFactorRequired,
    WrongPassword,
)
from tenon_auth.passkeys.ceremonies import owner_of
from tenon_auth.passkeys.challenges import Purpose
from tenon_auth.passkeys.keys import Passkeys
from tenon_auth.passwords.credentials import Credentials
from tenon_auth.passwords.guesses import Allowance, Charge, Counted, GuessLimiter
from tenon_auth.second_factors.factors import SecondFactors
from tenon_auth.second_factors.models import Proof, may_follow
from tenon_auth.second_steps.service import SecondStepService
from tenon_auth.sessions.models import AuthMethod, LogIn
from tenon_auth.sessions.service import SessionService
from tenon_auth.users.holding import hold
from tenon_auth.users.service import UserService
from tenon_db.database import Database
from tenon_policy.call import Call

Json: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Password:
    """What only somebody without a second factor proves anything by, within a session."""

    text: str


class LogInService:
    """Log-ins with more than a password, and proof of who one is within a session."""

    def __init__(
        self,
        database: Database,
        users: UserService,
        credentials: Credentials,
        devices: DeviceService,
        passkeys: Passkeys,
        factors: SecondFactors,
        second_steps: SecondStepService,
        sessions: SessionService,
        guesses: GuessLimiter,
        allowance: Allowance,
    ) -> None:
        """`allowance` is how often a second factor may be wrong."""
        self._database = database
        self._users = users
        self._credentials = credentials
        self._devices = devices
        self._passkeys = passkeys
        self._factors = factors
        self._second_steps = second_steps
        self._sessions = sessions
        self._guesses = guesses
        self._allowance = allowance

    async def start_second_factor(self, mfa_token: str) -> Json:
        """Return what a passkey is asked to finish a log-in by; MfaTokenSpent, PasskeyNotFound."""
        waiting = await self._second_steps.read(mfa_token)
        async with self._database.user(waiting.user_id) as tx:
            return await self._passkeys.request_options(tx, waiting.user_id, Purpose.SECOND_FACTOR)

    async def finish(
        self, call: Call, mfa_token: str, proof: Proof | None, device: Device
    ) -> LogIn:
        """Start the session of a log-in that waits for a second factor.

        MfaTokenSpent, TooManyGuesses, InvalidCode, InvalidPasskey, ChallengeSpent; whatever it is,
        nothing is used up then but a guess.
        """
        waiting = await self._second_steps.read(mfa_token)
        charge = await self._charge(waiting.user_id, device)
        async with self._database.user(waiting.user_id) as tx:
            await hold(tx, waiting.user_id)
            await self._second_steps.use(tx, waiting, device)
            kind = await self._factors.prove(tx, waiting.user_id, proof, Purpose.SECOND_FACTOR)
            if not may_follow(waiting.methods, kind):
                raise InvalidCode
            user = await self._users.get_within(tx, waiting.user_id)
            methods = [*waiting.methods, kind.method, AuthMethod.MULTI]
            log_in = await self._sessions.admit(tx, call, user, device, methods)
        await self._guesses.refund(charge)
        return log_in

    async def start_passkey(self) -> Json:
        """Return what a passkey is asked to log in by."""
        return await self._passkeys.log_in_options()

    async def by_passkey(self, call: Call, credential: Json, device: Device) -> LogIn:
        """Start a session by a passkey that made sure of its user; InvalidPasskey,
        ChallengeSpent.
        """
        user_id = owner_of(credential)
        async with self._database.user(user_id) as tx:
            await hold(tx, user_id)
            await self._passkeys.use(tx, user_id, credential, Purpose.LOG_IN)
            user = await self._users.get_within(tx, user_id)
            methods = [AuthMethod.PASSKEY, AuthMethod.MULTI]
            return await self._sessions.admit(tx, call, user, device, methods)

    async def start_confirmation(self, call: Call) -> Json:
        """Return what a passkey of the caller's is asked to confirm by; PasskeyNotFound."""
        async with self._database.user(call.user) as tx:
            return await self._passkeys.request_options(tx, call.user, Purpose.CONFIRM)

    async def confirm(self, call: Call, proof: Proof | Password | None, device: Device) -> LogIn:
        """Note that the caller has proved anew who they are.

        SecondFactorRequired, WrongPassword, TooManyGuesses, InvalidCode, InvalidPasskey,
        ChallengeSpent.
        """
        if isinstance(proof, Password):
            return await self._confirm_by_password(call, proof.text, device)
        charge = await self._charge(call.user, device)
        async with self._database.user(call.user) as tx:
            await hold(tx, call.user)
            kind = await self._factors.prove(tx, call.user, proof, Purpose.CONFIRM)
            log_in = await self._sessions.confirm(tx, call, kind.method)
        await self._guesses.refund(charge)
        return log_in

    async def _confirm_by_password(self, call: Call, password: str, device: Device) -> LogIn:
        async with self._database.user(call.user) as tx:
            if await self._factors.kinds(tx):
                raise SecondFactorRequired
            user = await self._users.get_within(tx, call.user)
        try:
            credential = await self._credentials.verify(user.email, password, device)
            async with self._database.user(call.user) as tx:
                await hold(tx, call.user)
                await self._credentials.confirm(tx, credential)
                return await self._sessions.confirm(tx, call, AuthMethod.PASSWORD)
        except InvalidCredentials:
            raise WrongPassword from None

    async def _charge(self, user_id: UUID, device: Device) -> Charge:
        """Count a guess before it is checked; TooManyGuesses. On a device that its owner has logged
        in on it counts for that, so whoever has the password alone locks no owner out.
        """
        known = await self._devices.find(user_id, device)
        key = f"guesses:second-factor:{user_id}:{known.hex()}"
        return await self._guesses.charge([Counted(key, self._allowance)])
