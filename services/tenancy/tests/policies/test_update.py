from typing import Any
from uuid import UUID

import grpc
import pytest

from services.tenancy.tests.conftest import Published
from services.tenancy.tests.policies.policies_client import ADDRESS, PoliciesClient
from tenon.events.v1.events_pb2 import AccessRecorded
from tenon.tenancy.v1.policies_pb2 import Policies
from tenon.tenancy.v1.policy_service_pb2 import UpdatePoliciesRequest
from tenon.tenancy.v1.policy_service_pb2_grpc import PolicyServiceStub
from tenon_rpc.backbone import Backbone
from tenon_rpc.status import PeerError
from tenon_tenancy.clients import AuthDirectory
from tenon_tenancy.errors import MailDomainNotAllowed
from tenon_tenancy.members.service import MemberService
from tenon_tenancy.policies.service import PolicyService
from tenon_tenancy.settings import TenancySettings
from tenon_testing.callers import Callers
from tenon_testing.waiting import eventually


@pytest.fixture
async def policies(tenancy: grpc.aio.Channel, callers: Callers) -> PoliciesClient:
    """Return those of a new organization."""
    return PoliciesClient(tenancy, await callers.tenant())


async def refusal(policies: PoliciesClient, **changes: Any) -> dict[str, str]:
    """Return what is said of each field."""
    with pytest.raises(PeerError) as refused:
        await policies.update(**changes)
    assert refused.value.reason in ("invalid_argument", "would_lock_you_out")
    return {field.pointer: field.message for field in refused.value.fields}


async def test_a_new_organization_demands_nothing(policies: PoliciesClient) -> None:
    assert await policies.get() == Policies()
    assert [demands.version for demands in await policies.check()] == [1]


async def test_changes_what_is_named_and_nothing_else(policies: PoliciesClient) -> None:
    await policies.update(session_hours=8, audit_retention_days=400)
    changed = await policies.update(allowed_mail_domains=["example.com"], session_hours=0)
    assert changed == await policies.get()
    assert changed == Policies(allowed_mail_domains=["example.com"], audit_retention_days=400)
    assert [demands.version for demands in await policies.check()] == [3]


async def test_networks_and_domains_are_kept_in_one_form(policies: PoliciesClient) -> None:
    changed = await policies.update(
        allowed_networks=[
            " 192.0.2.0/24",
            "::ffff:192.0.2.0/120",
            "198.51.100.7",
            "2001:DB8:0::/32",
        ],
        allowed_mail_domains=["Example.COM", "example.com", "münchen.example.org"],
    )
    assert list(changed.allowed_networks) == ["192.0.2.0/24", "198.51.100.7/32", "2001:db8::/32"]
    assert list(changed.allowed_mail_domains) == ["example.com", "xn--mnchen-3ya.example.org"]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"session_hours": -1}, "/session_hours"),
        ({"session_hours": 721}, "/session_hours"),
        ({"audit_retention_days": 29}, "/audit_retention_days"),
        ({"audit_retention_days": 36_501}, "/audit_retention_days"),
        ({"allowed_networks": ["192.0.2.0/24", "192.0.2.1/24"]}, "/allowed_networks/1"),
        ({"allowed_networks": ["192.0.2.0/33"]}, "/allowed_networks/0"),
        ({"allowed_networks": ["fe80::%eth0/64"]}, "/allowed_networks/0"),
        ({"allowed_networks": ["everywhere"]}, "/allowed_networks/0"),
        ({"allowed_networks": ["192.0.2.0/24"] * 51}, "/allowed_networks"),
        ({"allowed_mail_domains": ["a@example.com"]}, "/allowed_mail_domains/0"),
        ({"allowed_mail_domains": ["com"]}, "/allowed_mail_domains/0"),
        ({"allowed_mail_domains": ["x" * 300 + ".com"]}, "/allowed_mail_domains/0"),
    ],
)
async def test_refuses_what_is_not_valid(
    policies: PoliciesClient, changes: dict[str, Any], pointer: str
) -> None:
    assert list(await refusal(policies, **changes)) == [pointer]


async def test_refuses_a_field_that_is_no_policy(
    tenancy: grpc.aio.Channel, callers: Callers
) -> None:
    tenant = await callers.tenant()
    request = UpdatePoliciesRequest(org_id=str(tenant.org_id))
    request.update_mask.paths[:] = ["policies_version"]
    with pytest.raises(PeerError) as refused:
        await PolicyServiceStub(tenancy).UpdatePolicies(request, metadata=tenant.metadata)
    assert [field.pointer for field in refused.value.fields] == ["/update_mask"]


async def test_nobody_locks_themselves_out(tenancy: grpc.aio.Channel, callers: Callers) -> None:
    tenant = await callers.tenant()
    policies = PoliciesClient(tenancy, tenant)
    unmet = await refusal(policies, mfa_required=True, allowed_networks=["198.51.100.0/24"])
    assert set(unmet) == {"/mfa_required", "/allowed_networks"}
    assert ADDRESS in unmet["/allowed_networks"]
    for address in ("", "no address", "2001:db8::1"):
        elsewhere = PoliciesClient(tenancy, tenant, address)
        assert list(await refusal(elsewhere, allowed_networks=["192.0.2.0/24"]))
    mapped = PoliciesClient(tenancy, tenant, f"::ffff:{ADDRESS}")
    await mapped.update(allowed_networks=["192.0.2.0/24"])


async def test_an_owner_whose_network_changed_can_say_so(
    tenancy: grpc.aio.Channel, callers: Callers
) -> None:
    """Also by changing something else first: only what is changed is looked at."""
    tenant = await callers.tenant()
    await PoliciesClient(tenancy, tenant).update(allowed_networks=["192.0.2.0/24"])
    moved = PoliciesClient(tenancy, tenant, "198.51.100.7")
    await moved.update(session_hours=8)
    assert list((await moved.get()).allowed_networks) == ["192.0.2.0/24"]
    await moved.update(allowed_networks=["198.51.100.0/24"])


async def test_is_on_record(
    tenancy: grpc.aio.Channel, callers: Callers, published: Published
) -> None:
    tenant = await callers.tenant()
    await PoliciesClient(tenancy, tenant).update(session_hours=8)

    async def is_recorded() -> bool:
        records = await published(tenant.org_id, AccessRecorded)
        return "tenancy.policies.update" in {record.action for record in records}

    assert await eventually(is_recorded)


async def test_whom_to_invite_goes_by_the_domain(
    tenancy: grpc.aio.Channel, callers: Callers, backbone: Backbone[TenancySettings]
) -> None:
    tenant = await callers.tenant()
    members = MemberService(
        backbone.database,
        backbone.grant_changes,
        AuthDirectory(backbone.channels["auth"]),
        backbone.settings.owned_organizations_per_user,
    )
    service = PolicyService(backbone.database, backbone.grant_changes, members)

    async def admits(email: str) -> bool:
        async with backbone.database.tenant(tenant.org_id) as tx:
            try:
                await service.require_address(tx, tenant.org_id, email)
            except MailDomainNotAllowed:
                return False
        return True

    assert await admits("ada@anywhere.org")
    await PoliciesClient(tenancy, tenant).update(
        allowed_mail_domains=["example.com", "xn--mnchen-3ya.de"]
    )
    for email in ("ada@example.com", "Ada@EXAMPLE.com", "ada@münchen.de"):
        assert await admits(email), email
    for email in ("ada@sub.example.com", "ada@example.com.evil.org", "ada@evilexample.com", "ada"):
        assert not await admits(email), email


async def test_demands_are_told_in_the_order_of_the_ids(
    tenancy: grpc.aio.Channel, callers: Callers
) -> None:
    one, two = await callers.tenant(), await callers.tenant()
    policies = PoliciesClient(tenancy, one)
    await policies.update(session_hours=8, allowed_networks=["192.0.2.0/24"])
    none = UUID(int=0)
    told = await policies.check(two.org_id, none, one.org_id, "x", one.org_id)
    assert [demands.version for demands in told] == [1, 0, 2, 0, 2]
    assert (told[2].session_hours, list(told[2].allowed_networks)) == (8, ["192.0.2.0/24"])
