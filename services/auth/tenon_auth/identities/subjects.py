"""By what identities are found: keyed hashes of issuer and subject."""

from collections.abc import Sequence
from uuid import UUID

from tenon_auth.identities.repository import IdentityRepository
from tenon_crypto.blind_index import BlindIndex
from tenon_crypto.cells import framed
from tenon_crypto.fields import FieldCipher
from tenon_crypto.keyring import Mac
from tenon_db.transaction import Transaction


class Subjects:
    def __init__(self, cipher: FieldCipher, index: BlindIndex) -> None:
        self._cipher = cipher
        self._index = index

    async def terms(self, issuer: str, subject: str) -> Sequence[Mac]:
        name = framed(issuer.encode(), subject.encode("utf-8", "surrogatepass"))
        return await self._index.terms(name)

    async def index_within(self, tx: Transaction, user_id: UUID) -> None:
        """Let a user's identities be found by all index keys that there are."""
        repository = IdentityRepository(tx, self._cipher)
        for identity in await repository.lock(user_id):
            await repository.find_by(identity, await self.terms(identity.issuer, identity.subject))
