from tenon.tenancy.v1 import member_pb2, role_pb2
from tenon.tenancy.v1.member_service_pb2 import (
    CheckAccountsRequest,
    CheckAccountsResponse,
    CheckMembershipsRequest,
    CheckMembershipsResponse,
    LeaveOrganizationRequest,
    LeaveOrganizationResponse,
    ListMembersRequest,
    ListMembersResponse,
    MembershipKey,
    ReleaseUserRequest,
    ReleaseUserResponse,
    RemoveMemberRequest,
    RemoveMemberResponse,
    UpdateMemberRequest,
    UpdateMemberResponse,
)
from tenon.tenancy.v1.member_service_pb2_grpc import MemberServiceServicer
from tenon_core.ids import parse_id
from tenon_policy.grants import MemberKey
from tenon_rpc.guard import current_call
from tenon_rpc.times import packed_time
from tenon_tenancy.members.models import NamedMember, read_role
from tenon_tenancy.members.service import MemberService


class MemberServicer(MemberServiceServicer):
    def __init__(self, members: MemberService) -> None:
        self._members = members

    async def ListMembers(
        self, request: ListMembersRequest, context: object
    ) -> ListMembersResponse:
        page = await self._members.list(current_call(), request.page_size, request.page_token)
        return ListMembersResponse(
            items=map(_packed, page.items), next_page_token=page.next_page_token
        )

    async def UpdateMember(
        self, request: UpdateMemberRequest, context: object
    ) -> UpdateMemberResponse:
        member = await self._members.update(
            current_call(),
            parse_id(request.user_id),
            read_role(request.role),
            revoke_api_keys=request.revoke_api_keys,
        )
        return UpdateMemberResponse(member=_packed(member))

    async def RemoveMember(
        self, request: RemoveMemberRequest, context: object
    ) -> RemoveMemberResponse:
        await self._members.remove(
            current_call(),
            parse_id(request.user_id),
            revoke_api_keys=request.revoke_api_keys,
        )
        return RemoveMemberResponse()

    async def LeaveOrganization(
        self, request: LeaveOrganizationRequest, context: object
    ) -> LeaveOrganizationResponse:
        await self._members.leave(current_call(), revoke_api_keys=request.revoke_api_keys)
        return LeaveOrganizationResponse()

    async def ReleaseUser(
        self, request: ReleaseUserRequest, context: object
    ) -> ReleaseUserResponse:
        await self._members.release(current_call(), parse_id(request.user_id))
        return ReleaseUserResponse()

    async def CheckMemberships(
        self, request: CheckMembershipsRequest, context: object
    ) -> CheckMembershipsResponse:
        roles = await self._members.check([_key(key) for key in request.keys])
        return CheckMembershipsResponse(roles=map(role_pb2.Role.ValueType, roles))

    async def CheckAccounts(
        self, request: CheckAccountsRequest, context: object
    ) -> CheckAccountsResponse:
        account_ids = await self._members.accounts([parse_id(each) for each in request.org_ids])
        return CheckAccountsResponse(account_ids=[str(each or "") for each in account_ids])


def _key(key: MembershipKey) -> MemberKey | None:
    org_id, user_id = parse_id(key.org_id), parse_id(key.user_id)
    return MemberKey(org_id, user_id) if org_id and user_id else None


def _packed(named: NamedMember) -> member_pb2.Member:
    return member_pb2.Member(
        user_id=str(named.member.user_id),
        role=role_pb2.Role.ValueType(named.member.role),
        email=named.email,
        name=named.name,
        create_time=packed_time(named.member.create_time),
    )
