"""What somebody did is told up to a length that can be sent, however many logs it stands in."""

from uuid import UUID, uuid4

import pytest

from services.tenancy.tests.tampered_logs import clients_of
from tenon_core import clock
from tenon_policy.policies import Role
from tenon_rpc.backbone import Backbone
from tenon_tenancy.audit_events.models import Access
from tenon_tenancy.audit_events.repository import AuditEventRepository
from tenon_tenancy.clients import AuthDirectory
from tenon_tenancy.members.models import Member
from tenon_tenancy.members.repository import MemberRepository
from tenon_tenancy.members.service import MemberService
from tenon_tenancy.personal_data import service as service_module
from tenon_tenancy.personal_data.service import PersonalDataService
from tenon_tenancy.settings import TenancySettings
from tenon_testing.callers import Callers


def lines(user_id: UUID, what: str, count: int) -> list[Access]:
    actor = f"users/{user_id}"
    return [
        Access(uuid4(), f"{what} {number}", actor, "", None, "r", 1, clock.now())
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("bound", "told"),
    [
        (2, ["own 2", "own 1"]),
        (3, ["own 2", "own 1", "own 0"]),
        (4, ["own 2", "own 1", "own 0", "org 2"]),
        (6, ["own 2", "own 1", "own 0", "org 2", "org 1", "org 0"]),
    ],
)
async def test_all_logs_together_are_bounded_and_it_says_so(
    backbone: Backbone[TenancySettings],
    callers: Callers,
    monkeypatch: pytest.MonkeyPatch,
    bound: int,
    told: list[str],
) -> None:
    tenant, ada = await callers.tenant(), uuid4()  # of whom nobody but this test says anything
    async with backbone.database.user(ada) as tx:
        await AuditEventRepository(tx).append(lines(ada, "own", 3))
    async with backbone.database.tenant(tenant.org_id) as tx:
        await MemberRepository(tx, tenant.org_id).add(Member(ada, Role.MEMBER, clock.now()))
        await AuditEventRepository(tx).append(lines(ada, "org", 3))
        await AuditEventRepository(tx).append(lines(uuid4(), "another's", 3))
    monkeypatch.setattr(service_module, "MAX_LINES", bound)
    directory = AuthDirectory(backbone.channels["auth"])
    members = MemberService(
        backbone.database,
        backbone.grant_changes,
        directory,
        backbone.settings.owned_organizations_per_user,
    )
    held = await PersonalDataService(backbone.database, members, clients_of(backbone)).export(ada)
    assert [line["action"] for line in held["audit_events"]] == told
    assert held["truncated"] is (bound < 6)
