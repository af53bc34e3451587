from datetime import datetime

from tenon_auth.limits import EMAIL_CHANGES, TAGGED_LINKS
from tenon_core import clock
from tenon_core.email_addresses import canonical_form
from tenon_crypto.blind_index import BlindIndex
from tenon_db.mail_limits import MailCounters, MailRate, mailbox_of
from tenon_db.transaction import Transaction


class LinkMails:
    """When links may be mailed to addresses that are not verified: one mailbox gets only so many,
    whoever requests them and however its addresses are tagged.
    """

    def __init__(self, schema: str, mailboxes: BlindIndex) -> None:
        self._schema = schema
        self._mailboxes = mailboxes

    async def send_time(self, tx: Transaction, email: str) -> datetime | None:
        """Count a link to an account's own address, and return when to send it; None for at once.

        An address without a tag is one account's, whose own limits are lower.
        """
        address = canonical_form(email)
        if mailbox_of(address) == address:
            return None
        return await self._reserve(tx, TAGGED_LINKS, address)

    async def change_time(self, tx: Transaction, email: str) -> datetime | None:
        """Count a link to an address that an account wants to have, likewise."""
        return await self._reserve(tx, EMAIL_CHANGES, canonical_form(email))

    async def _reserve(self, tx: Transaction, rate: MailRate, address: bytes) -> datetime | None:
        mailbox, *_ = await self._mailboxes.terms(mailbox_of(address))
        delay = await MailCounters(tx, self._schema).reserve(rate, mailbox.digest)
        return clock.now() + delay if delay else None
