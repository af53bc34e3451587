from uuid import UUID

from tenon_auth import events
from tenon_auth.errors import InvalidCode
from tenon_auth.recovery_codes.codes import comparable, new_code
from tenon_auth.recovery_codes.repository import RecoveryCodeRepository
from tenon_core import clock
from tenon_crypto.blind_index import BlindIndex
from tenon_db.transaction import Transaction

COUNT = 10


class RecoveryCodeService:
    """Codes for whoever has lost their second factors, in a transaction of their user."""

    def __init__(self, hashes: BlindIndex) -> None:
        self._hashes = hashes

    async def replace(self, tx: Transaction, user_id: UUID) -> list[str]:
        """Make new codes in place of all others; nobody can show them again."""
        codes = [new_code() for _ in range(COUNT)]
        terms = [await self._hashes.terms(_indexed(user_id, code)) for code in codes]
        repository = RecoveryCodeRepository(tx)
        await repository.remove_all()
        await repository.add(user_id, [current for current, *_ in terms])
        return codes

    async def use(self, tx: Transaction, user_id: UUID, code: str) -> None:
        """Use a code up, and tell its owner; InvalidCode."""
        terms = await self._hashes.terms(_indexed(user_id, code))
        if not await RecoveryCodeRepository(tx).use([one.digest for one in terms], clock.now()):
            raise InvalidCode
        await tx.publish(events.recovery_code_used(user_id))

    async def count_left(self, tx: Transaction) -> int:
        return await RecoveryCodeRepository(tx).count_left()

    async def remove_all(self, tx: Transaction) -> None:
        await RecoveryCodeRepository(tx).remove_all()


def _indexed(user_id: UUID, code: str) -> bytes:
    return user_id.bytes + comparable(code)
