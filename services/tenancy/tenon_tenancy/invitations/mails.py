from datetime import datetime, timedelta
from uuid import UUID

from tenon_core import clock
from tenon_core.email_addresses import canonical_form
from tenon_crypto.blind_index import BlindIndex
from tenon_db.mail_limits import MailCounters, mailbox_of
from tenon_db.transaction import Transaction
from tenon_tenancy.limits import (
    TO_RECIPIENT,
    TO_RECIPIENT_BY_ORGANIZATION,
    TO_RECIPIENT_BY_USER,
    InvitationRates,
)


class InvitationMails:
    """How many invitations are mailed, by whom and to whom."""

    def __init__(self, schema: str, mailboxes: BlindIndex, rates: InvitationRates) -> None:
        self._schema = schema
        self._mailboxes = mailboxes
        self._rates = rates

    async def charge(self, tx: Transaction, org_id: UUID, user_id: UUID, email: str) -> datetime:
        """Count an invitation and return when its mail may be sent; TooManyMails.

        A mailbox that many organizations write to gets their mails later. None of them is told:
        it would learn of the others.
        """
        current, *_ = await self._mailboxes.terms(mailbox_of(canonical_form(email)))
        mailbox = current.digest
        counters = MailCounters(tx, self._schema)
        await counters.charge(
            [
                (self._rates.per_user, user_id.bytes),
                (self._rates.per_organization, org_id.bytes),
                (TO_RECIPIENT_BY_USER, user_id.bytes + mailbox),
                (TO_RECIPIENT_BY_ORGANIZATION, org_id.bytes + mailbox),
            ]
        )
        delay = await counters.reserve(TO_RECIPIENT, mailbox)
        return clock.now() + (delay or timedelta(0))
