from datetime import timedelta
from uuid import UUID

from tenon_auth.errors import LinkNotFound, LinkSpent
from tenon_auth.limits import LINKS_PER_USER
from tenon_auth.links.models import LIVES, Link, Purpose
from tenon_auth.links.repository import LinkRepository
from tenon_auth.users.holding import hold
from tenon_core import clock
from tenon_core.ids import uuid7
from tenon_crypto.row_tokens import OwnedRow, RowTokens
from tenon_db.database import Database
from tenon_db.transaction import Transaction

MAILS = 3
MAILS_IN = timedelta(hours=1)
KEPT = timedelta(days=30)


class LinkService:
    """Links that are mailed: made in the transaction of their cause, used once."""

    def __init__(self, database: Database, tokens: RowTokens) -> None:
        self._database = database
        self._tokens = tokens

    async def lock(self, tx: Transaction, user_id: UUID) -> None:
        """Let others who make links for the user wait until the commit."""
        await LinkRepository(tx).lock(user_id)

    async def make(
        self, tx: Transaction, user_id: UUID, purpose: Purpose, *, limited: bool = True
    ) -> Link:
        """Make a link, and forget those long over.

        TooManyMails if the user had several of this purpose within the hour. Links that others can
        request for the user, or that an owner needs against a thief, are not `limited` here.
        """
        at = clock.now()
        repository = LinkRepository(tx)
        await repository.lock(user_id)
        await repository.delete_old(user_id, at - KEPT)
        if limited and await repository.count(purpose, at - MAILS_IN) >= MAILS:
            raise LINKS_PER_USER.exceeded(MAILS_IN.total_seconds() / MAILS)
        link = Link(uuid7(), user_id, purpose, at, at + LIVES[purpose])
        await repository.add(link)
        return link

    async def get_notice(self, user_id: UUID | None, link_id: UUID | None) -> tuple[Link, str]:
        """Return a link that is good, with its token, for the mail to its user; LinkNotFound."""
        if user_id is None or link_id is None:
            raise LinkNotFound
        async with self._database.user(user_id) as tx:
            link = await LinkRepository(tx).find(link_id)
        if link is None or not link.is_good(clock.now()):
            raise LinkNotFound
        return link, await self._tokens.derive(OwnedRow(user_id, link.id), link.purpose)

    async def read(self, token: str, purpose: Purpose) -> OwnedRow:
        """Return whose link a token is of; LinkSpent if it cannot be used (any more)."""
        found = await self._tokens.read(token, purpose)
        if found is None:
            raise LinkSpent
        async with self._database.user(found.owner_id) as tx:
            link = await LinkRepository(tx).find(found.id)
        if link is None or not link.is_good(clock.now()):
            raise LinkSpent
        return found

    async def remove_all(self, tx: Transaction, user_id: UUID) -> None:
        await LinkRepository(tx).delete_all(user_id)

    async def use_up(self, tx: Transaction, user_id: UUID, purpose: Purpose) -> None:
        """Let none of a user's links for a purpose be used any more."""
        await LinkRepository(tx).use_up(user_id, purpose, clock.now())

    async def use(self, tx: Transaction, link: OwnedRow, purpose: Purpose) -> None:
        """Use a link in the transaction of its effect; LinkSpent if somebody was faster."""
        await hold(tx, link.owner_id)
        if not await LinkRepository(tx).use(link.id, purpose, clock.now()):
            raise LinkSpent
