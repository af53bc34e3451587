from uuid import UUID

from tenon_auth.api_keys.ending import ApiKeyEnding
from tenon_db.deleted_organizations import DeletedOrganizations, Erased, OrganizationRows
from tenon_db.transaction import Transaction
from tenon_rpc.organization_data import organization_data_erased

SCHEMA = "auth"


class OrganizationDataService:
    """What auth holds of an organization."""

    def __init__(self, api_keys: ApiKeyEnding) -> None:
        self._api_keys = api_keys

    async def erase(self, tx: Transaction, org_id: UUID) -> None:
        """Destroy it, in the transaction of an organization that is no more: it is little."""
        deleted = DeletedOrganizations(tx, SCHEMA)
        await deleted.close(org_id)
        await deleted.add(org_id, Erased(rows=await self._api_keys.end_all(tx)))
        held = OrganizationRows(tx, SCHEMA)
        for table in await held.tables():
            while (gone := await held.bite(table)) != Erased():
                await deleted.add(org_id, gone)
        erased = await deleted.erased(org_id)
        await tx.publish(organization_data_erased(org_id, erased))
