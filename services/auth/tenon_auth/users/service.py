from collections.abc import Sequence
from uuid import UUID

from tenon_auth.errors import EmailTaken
from tenon_auth.users.addresses import comparable
from tenon_auth.users.models import User
from tenon_auth.users.repository import UserRepository
from tenon_core.errors import FieldError, InvalidArgument
from tenon_crypto.blind_index import BlindIndex
from tenon_crypto.fields import FieldCipher
from tenon_crypto.keyring import Mac
from tenon_db.database import Database
from tenon_db.transaction import Transaction

MAX_BATCH = 1_000


class UserService:
    """Accounts. The `…_within` methods are for siblings that hold a transaction of the user's."""

    def __init__(self, database: Database, cipher: FieldCipher, addresses: BlindIndex) -> None:
        self._database = database
        self._cipher = cipher
        self._addresses = addresses

    async def terms(self, email: str) -> Sequence[Mac]:
        """Return what an address is looked up by, however it is written and whoever has it."""
        return await self._addresses.terms(comparable(email))

    async def find_id(self, digests: Sequence[bytes]) -> UUID | None:
        """Return whose address it is, by the digests of its terms."""
        async with self._database.system("log in") as tx:
            return await UserRepository(tx, self._cipher).find_id(digests)

    async def batch_get(self, user_ids: Sequence[UUID]) -> list[User]:
        if len(user_ids) > MAX_BATCH:
            raise InvalidArgument(fields=[FieldError("/ids", f"must be at most {MAX_BATCH}")])
        async with self._database.system("contacts") as tx:
            return await UserRepository(tx, self._cipher).find_all(user_ids)

    async def get_within(self, tx: Transaction, user_id: UUID) -> User:
        return await UserRepository(tx, self._cipher).get(user_id)

    async def add_within(self, tx: Transaction, user: User, terms: Sequence[Mac]) -> None:
        """Add an account that has its address alone; EmailTaken."""
        users = UserRepository(tx, self._cipher)
        if not await users.claim(user.id, terms):
            raise EmailTaken
        await users.add(user)
