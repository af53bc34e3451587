"""Whom an invitation is for, and which domains a policy admits."""

from uuid import uuid4

import grpc
import pytest
from email_validator import validate_email

from services.tenancy.tests.invitations.invitations_client import InvitationsClient
from services.tenancy.tests.policies.policies_client import PoliciesClient
from tenon.tenancy.v1.invitation_service_pb2 import CreateInvitationRequest
from tenon.tenancy.v1.invitation_service_pb2_grpc import InvitationServiceStub
from tenon.tenancy.v1.role_pb2 import ROLE_MEMBER
from tenon_crypto.blind_index import BlindIndex
from tenon_crypto.opening import open_keyring
from tenon_rpc.status import PeerError
from tenon_tenancy.app import APP, worker
from tenon_testing.addresses import PAIRS, Pair
from tenon_testing.callers import Callers, Tenant
from tenon_testing.system import System
from tenon_testing.waiting import eventually

INSERT = (
    "INSERT INTO tenancy.invited_addresses (org_id, email_index, index_key, invitation_id)"
    " VALUES (%s, %s, %s, %s)"
)


@pytest.fixture
async def tenant(callers: Callers) -> Tenant:
    """An organization for each pair: its owner can send only so many invitations."""
    return await callers.tenant()


@pytest.mark.parametrize("pair", PAIRS, ids=str)
async def test_only_the_invited_address_accepts(
    invitations: InvitationsClient, callers: Callers, tenant: Tenant, pair: Pair
) -> None:
    first, second = pair.unique()
    caller = await callers.user(email=second)
    token = await invitations.token(tenant, (await invitations.create(tenant, first)).id)
    if pair.same:
        await invitations.check(token, second)
        await invitations.accept(caller, token)
        return
    for asked in (invitations.check(token, second), invitations.accept(caller, token)):
        with pytest.raises(PeerError) as refused:
            await asked
        assert refused.value.reason == "invitation_for_another_address"


@pytest.mark.parametrize("pair", PAIRS, ids=str)
async def test_an_address_is_invited_once(
    invitations: InvitationsClient, tenant: Tenant, pair: Pair
) -> None:
    first, second = pair.unique()
    made = [await invitations.create(tenant, first)]
    if pair.same:
        with pytest.raises(PeerError) as refused:
            await invitations.create(tenant, second)
        assert refused.value.reason == "already_invited"
    else:
        made.append(await invitations.create(tenant, second))
    for invitation in made:
        await invitations.revoke(tenant, invitation.id)


async def test_a_policy_admits_the_domain_itself_only(
    invitations: InvitationsClient, callers: Callers, tenancy: grpc.aio.Channel
) -> None:
    tenant = await callers.tenant()
    policies = PoliciesClient(tenancy, tenant)
    changed = await policies.update(allowed_mail_domains=["STRAßE.example"])
    assert list(changed.allowed_mail_domains) == ["xn--strae-oqa.example"]
    with pytest.raises(PeerError) as refused:
        await invitations.create(tenant, f"{uuid4()}@strasse.example")
    assert refused.value.reason == "mail_domain_not_allowed"
    await invitations.create(tenant, f"{uuid4()}@straße.example")


async def invite_as_before(
    system: System, invitations: InvitationsClient, tenant: Tenant, email: str
) -> str:
    """Invite an address as `canonical_version` 1 stored it; return the invitation's id."""
    made = await invitations.create(tenant, email)
    folded = validate_email(email, check_deliverability=False).normalized.casefold()
    keyring = open_keyring(system.settings(APP).keyring_url)
    index = BlindIndex(keyring, "tenancy", "invited_addresses", "email_index")
    await invitations.admin.execute(
        "DELETE FROM tenancy.invited_addresses WHERE invitation_id = %s", [made.id]
    )
    for term in await index.terms(folded.encode()):
        row = [tenant.org_id, term.digest, term.key, made.id]
        await invitations.admin.execute(INSERT, row)
    return made.id


async def test_an_invitation_of_before_is_one_for_its_own_address(
    system: System, invitations: InvitationsClient, callers: Callers
) -> None:
    tenant, name = await callers.tenant(), uuid4().hex
    first = await invite_as_before(system, invitations, tenant, f"{name}@straße.example")
    second = await invitations.create(tenant, f"{name}@strasse.example")
    for domain in ("straße.example", "strasse.example"):
        with pytest.raises(PeerError) as refused:
            await invitations.create(tenant, f"{name}@{domain}")
        assert refused.value.reason == "already_invited"
    assert {one.id for one in await invitations.pending(tenant)} == {first, second.id}


async def test_the_rotation_of_index_keys_hashes_invitations_of_before_again(
    system: System, invitations: InvitationsClient, callers: Callers
) -> None:
    tenant = await callers.tenant()
    made = await invite_as_before(system, invitations, tenant, f"{uuid4()}@straße.example")
    await invitations.admin.execute(
        "INSERT INTO tenancy.jobs (id, type, payload, lane, run_at, priority)"
        " VALUES (gen_random_uuid(), 'keys.check', '{}', 0, now(), 0)"
    )

    async def hashed_again() -> bool:
        query = "SELECT canonical_version FROM tenancy.invited_addresses WHERE invitation_id = %s"
        return bool(await invitations.scalar(query, made) == 2)

    async with worker(system.settings(APP, process="tenancy-worker")) as work, work.running():
        await eventually(hashed_again, within=30)


async def test_no_address_is_invited_that_the_mail_server_cannot_take(
    system: System, callers: Callers
) -> None:
    tenant = await callers.tenant()
    async with system.serving(APP, smtputf8=False) as channel:
        request = CreateInvitationRequest(
            org_id=str(tenant.org_id), email=f"ren\u00e9.{uuid4()}@example.com", role=ROLE_MEMBER
        )
        with pytest.raises(PeerError) as refused:
            await InvitationServiceStub(channel).CreateInvitation(request, metadata=tenant.metadata)
    assert refused.value.reason == "invalid_email"
    assert "ASCII" in refused.value.fields[0].message
