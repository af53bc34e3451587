from tenon.tenancy.v1 import policies_pb2, policy_service_pb2
from tenon.tenancy.v1.policy_service_pb2 import (
    CheckDemandsRequest,
    CheckDemandsResponse,
    GetPoliciesRequest,
    GetPoliciesResponse,
    UpdatePoliciesRequest,
    UpdatePoliciesResponse,
)
from tenon.tenancy.v1.policy_service_pb2_grpc import PolicyServiceServicer
from tenon_core.ids import parse_id
from tenon_rpc.guard import current_call
from tenon_tenancy.policies.models import Policies
from tenon_tenancy.policies.service import PolicyService


class PolicyServicer(PolicyServiceServicer):
    def __init__(self, policies: PolicyService) -> None:
        self._policies = policies

    async def GetPolicies(
        self, request: GetPoliciesRequest, context: object
    ) -> GetPoliciesResponse:
        return GetPoliciesResponse(policies=_packed(await self._policies.get(current_call())))

    async def UpdatePolicies(
        self, request: UpdatePoliciesRequest, context: object
    ) -> UpdatePoliciesResponse:
        given = {
            "mfa_required": request.mfa_required,
            "session_hours": request.session_hours,
            "allowed_networks": list(request.allowed_networks),
            "allowed_mail_domains": list(request.allowed_mail_domains),
            "audit_retention_days": request.audit_retention_days,
        }
        changes = {path: given.get(path) for path in request.update_mask.paths}
        policies = await self._policies.update(current_call(), changes)
        return UpdatePoliciesResponse(policies=_packed(policies))

    async def CheckDemands(
        self, request: CheckDemandsRequest, context: object
    ) -> CheckDemandsResponse:
        found = await self._policies.check([parse_id(org_id) for org_id in request.org_ids])
        return CheckDemandsResponse(items=map(_demands, found))


def _packed(policies: Policies) -> policies_pb2.Policies:
    return policies_pb2.Policies(
        mfa_required=policies.mfa_required,
        session_hours=policies.session_hours,
        allowed_networks=policies.allowed_networks,
        allowed_mail_domains=policies.allowed_mail_domains,
        audit_retention_days=policies.audit_retention_days,
    )


def _demands(policies: Policies | None) -> policy_service_pb2.Demands:
    if policies is None:
        return policy_service_pb2.Demands()
    return policy_service_pb2.Demands(
        version=policies.version,
        mfa_required=policies.mfa_required,
        session_hours=policies.session_hours,
        allowed_networks=policies.allowed_networks,
    )
