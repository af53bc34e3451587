from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from tenon_core.email_addresses import canonical_form
from tenon_crypto.blind_index import BlindIndex
from tenon_crypto.fields import FieldCipher
from tenon_crypto.keyring import Mac
from tenon_db.transaction import Transaction
from tenon_tenancy.invitations.models import KEPT, LIFE
from tenon_tenancy.invitations.repository import InvitationRepository, has_former_form


class InvitationIndexes:
    """Keyed hashes of invited addresses, as the rotation of index keys sees them.

    A new index key needs nothing to be filled: whoever is invited, or once more, gets a term of
    each key that can be read, and an invitation that is not sent again is gone before an old key
    is. So are its links, which are derived by such a key, and the counters of mails, which begin
    anew with the new one. Only a new canonical form of addresses is filled.
    """

    overlap = LIFE + KEPT + timedelta(days=1)

    def __init__(self, cipher: FieldCipher, addresses: BlindIndex) -> None:
        self._cipher = cipher
        self._addresses = addresses

    async def terms(self, email: str) -> Sequence[Mac]:
        """Return what an address is looked up by, however it is written."""
        return await self._addresses.terms(canonical_form(email))

    async def fill(self, tx: Transaction, owner_id: UUID) -> None:
        """Hash an organization's invited addresses again that were hashed in the former form."""
        invitations = InvitationRepository(tx, self._cipher, owner_id)
        found = await invitations.find_of_former_form()
        await invitations.remove_former_form([one.id for one in found])
        for invitation in found:
            await invitations.add_terms(invitation.id, await self.terms(invitation.email))

    async def needed(self, tx: Transaction, keys: Sequence[str]) -> bool:  # noqa: ARG002 # see above
        return False

    async def forget(self, tx: Transaction, keys: Sequence[str]) -> int:  # noqa: ARG002 # see above
        return 0

    async def has_outdated(self, tx: Transaction) -> bool:
        return await has_former_form(tx)
