"""The policies of an organization, changed by its owner."""

from typing import Any

import grpc
from grpc.aio import Metadata

from tenon.tenancy.v1.policies_pb2 import Policies
from tenon.tenancy.v1.policy_service_pb2 import (
    CheckDemandsRequest,
    Demands,
    GetPoliciesRequest,
    UpdatePoliciesRequest,
)
from tenon.tenancy.v1.policy_service_pb2_grpc import PolicyServiceStub
from tenon_testing.callers import Caller, Tenant

ADDRESS = "192.0.2.7"
"""Where the owner is, as the gateway tells."""


def metadata_at(caller: Caller, address: str = ADDRESS) -> Metadata:
    """Return what a call carries so that it is this user's, from this address."""
    where = ("x-tenon-client-address", address)
    return Metadata(("authorization", f"Bearer {caller.access_token}"), where)


class PoliciesClient:
    def __init__(self, channel: grpc.aio.Channel, tenant: Tenant, address: str = ADDRESS) -> None:
        self._stub = PolicyServiceStub(channel)
        self._org_id = str(tenant.org_id)
        self._metadata = metadata_at(tenant.owner, address)

    async def get(self) -> Policies:
        request = GetPoliciesRequest(org_id=self._org_id)
        return (await self._stub.GetPolicies(request, metadata=self._metadata)).policies

    async def update(self, **changes: Any) -> Policies:
        request = UpdatePoliciesRequest(org_id=self._org_id, **changes)
        request.update_mask.paths[:] = changes
        return (await self._stub.UpdatePolicies(request, metadata=self._metadata)).policies

    async def check(self, *org_ids: object) -> list[Demands]:
        request = CheckDemandsRequest(org_ids=map(str, org_ids or [self._org_id]))
        return list((await self._stub.CheckDemands(request)).items)
