from uuid import UUID

from tenon_core import clock
from tenon_core.ids import uuid7
from tenon_db.database import Database
from tenon_db.mail_limits import MailCounters
from tenon_db.transaction import Transaction
from tenon_policy.call import Call
from tenon_policy.policies import Role
from tenon_policy.tags import Tags
from tenon_tenancy import events
from tenon_tenancy.errors import (
    AlreadyOwner,
    MemberNotFound,
    OwnershipOffered,
    OwnershipOfferNotFound,
)
from tenon_tenancy.limits import OFFERS_PER_ORGANIZATION, OFFERS_PER_USER
from tenon_tenancy.members.service import MemberService
from tenon_tenancy.organizations.service import OrganizationService
from tenon_tenancy.ownership_offers.models import LIFE, OwnershipOffer
from tenon_tenancy.ownership_offers.repository import OwnershipOfferRepository


class OwnershipService:
    """How organizations are handed over, under the lock under which all roles change."""

    def __init__(
        self,
        database: Database,
        tags: Tags,
        members: MemberService,
        organizations: OrganizationService,
    ) -> None:
        self._database = database
        self._tags = tags
        self._members = members
        self._organizations = organizations

    async def get(self, call: Call) -> OwnershipOffer:
        """Return the offer that waits to be accepted; OwnershipOfferNotFound."""
        async with self._database.tenant(call.org) as tx:
            return await self._get(tx, call.org)

    async def transfer(self, call: Call, user_id: UUID | None) -> OwnershipOffer:
        """Offer a member the caller's ownership; MemberNotFound, AlreadyOwner, OwnershipOffered,
        TooManyMails.
        """
        at = clock.now()
        async with self._database.tenant(call.org) as tx:
            await self._members.own_role_within(tx, call)
            user_id = await self._require_candidate(tx, call.org, user_id)
            if await self._find_open(tx, call.org):
                raise OwnershipOffered
            charges = [
                (OFFERS_PER_USER, call.user.bytes),
                (OFFERS_PER_ORGANIZATION, call.org.bytes),
            ]
            await MailCounters(tx, self._database.schema).charge(charges)
            offer = OwnershipOffer(call.org, uuid7(), call.user, user_id, at, at + LIFE)
            await OwnershipOfferRepository(tx, call.org).put(offer)
            await tx.publish(
                events.ownership_offered(offer.org_id, offer.id, offer.owner_id, offer.user_id),
                call.access(f"ownership-offers/{offer.id}"),
            )
        return offer

    async def accept(self, call: Call) -> None:
        """Make the caller an owner, and who offered it an admin; OwnershipOfferNotFound,
        TooManyOrganizations.
        """
        offer = await self.get(call)
        # The policy makes stale what the caller has cached; this, what the other has.
        cached = [f"users/{offer.owner_id}"]
        async with self._tags.written(cached), self._database.tenant(call.org) as tx:
            await self._members.own_role_within(tx, call)
            if await self._get(tx, call.org) != offer or offer.user_id != call.user:
                raise OwnershipOfferNotFound
            await OwnershipOfferRepository(tx, call.org).set_accepted(clock.now())
            await tx.publish(
                events.ownership_transferred(offer.org_id, offer.id, offer.owner_id, offer.user_id),
                call.access(f"ownership-offers/{offer.id}"),
            )
            await self._members.hand_over_within(tx, call.org, offer.owner_id, offer.user_id)

    async def decline(self, call: Call) -> None:
        """End an offer that is the caller's, or that an owner withdraws; OwnershipOfferNotFound."""
        async with self._database.tenant(call.org) as tx:
            own = await self._members.own_role_within(tx, call)
            offer = await self._get(tx, call.org)
            if own is not Role.OWNER and offer.user_id != call.user:
                raise OwnershipOfferNotFound
            await OwnershipOfferRepository(tx, call.org).remove()
            await tx.publish(
                events.ownership_declined(offer.org_id, offer.id),
                call.access(f"ownership-offers/{offer.id}"),
            )

    async def get_notice(
        self, org_id: UUID | None, offer_id: UUID | None
    ) -> tuple[str, OwnershipOffer]:
        """Return an offer that waits or was accepted, and the organization's name;
        OwnershipOfferNotFound.
        """
        if org_id is None:
            raise OwnershipOfferNotFound
        async with self._database.tenant(org_id) as tx:
            offer = await OwnershipOfferRepository(tx, org_id).find()
            if offer is None or not offer.accept_time:
                offer = await self._get(tx, org_id)
            if offer.id != offer_id:
                raise OwnershipOfferNotFound
            return await self._organizations.name_within(tx, org_id), offer

    async def _require_candidate(self, tx: Transaction, org_id: UUID, user_id: UUID | None) -> UUID:
        role = await self._members.role_within(tx, org_id, user_id) if user_id else Role.NONE
        if user_id is None or role is Role.NONE:
            raise MemberNotFound
        if role is Role.OWNER:
            raise AlreadyOwner
        return user_id

    async def _get(self, tx: Transaction, org_id: UUID) -> OwnershipOffer:
        offer = await self._find_open(tx, org_id)
        if offer is None:
            raise OwnershipOfferNotFound
        return offer

    async def _find_open(self, tx: Transaction, org_id: UUID) -> OwnershipOffer | None:
        offer = await OwnershipOfferRepository(tx, org_id).find()
        if offer is None:
            return None
        owner = await self._members.role_within(tx, org_id, offer.owner_id)
        member = await self._members.role_within(tx, org_id, offer.user_id)
        return offer if offer.is_open(owner, member, clock.now()) else None
