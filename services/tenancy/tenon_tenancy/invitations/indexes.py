from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from tenon_db.transaction import Transaction
from tenon_tenancy.invitations.models import KEPT, LIFE


class InvitationIndexes:
    """Invitations, as the rotation of index keys sees them.

    There is nothing to fill: whoever is invited, or once more, gets a term of each key that can be
    read, and an invitation that is not sent again is gone before an old key is. So are its links,
    which are derived by such a key, and the counters of mails, which begin anew with the new one.
    """

    overlap = LIFE + KEPT + timedelta(days=1)

    async def fill(self, tx: Transaction, owner_id: UUID) -> None:
        pass

    async def needed(self, tx: Transaction, keys: Sequence[str]) -> bool:  # noqa: ARG002 # see above
        return False

    async def forget(self, tx: Transaction, keys: Sequence[str]) -> int:  # noqa: ARG002 # see above
        return 0
