"""A copy of one's own data: of all services, for oneself alone, encrypted, and for a week."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID

import grpc
import pytest

from services.auth.tests.erasures.conftest import Admin, Working
from services.auth.tests.erasures.test_delete_user import delete, left
from tenon.auth.v1.export_pb2 import Export
from tenon.auth.v1.export_service_pb2 import (
    GetExportFileRequest,
    GetExportRequest,
    StartExportRequest,
)
from tenon.auth.v1.export_service_pb2_grpc import ExportServiceStub
from tenon_auth.app import APP
from tenon_auth.clients import EverybodysPersonalData
from tenon_auth.exports import models as exports_models
from tenon_auth.exports import service as service_module
from tenon_auth.exports.models import EXPORTS_A_DAY, ExportState
from tenon_auth.exports.repository import ExportRepository
from tenon_auth.foundation import Accounts
from tenon_auth.personal_data.models import SECRET, SECTIONS
from tenon_auth.users.models import METADATA
from tenon_core import clock
from tenon_crypto.cells import OwnerKind
from tenon_crypto.tables import name_of
from tenon_db.tables import USER
from tenon_rpc.backbone import open_backbone
from tenon_rpc.channel import MAX_MESSAGE_BYTES
from tenon_rpc.status import PeerError
from tenon_testing.callers import Caller, Callers
from tenon_testing.system import SERVICES, System

Work = Callable[[], AbstractAsyncContextManager[Working]]


@pytest.fixture
async def exports(auth: grpc.aio.Channel, system: System) -> Any:
    """Auth's exports; the other services run."""
    for service in SERVICES:
        await asyncio.to_thread(system.start, service)
    return ExportServiceStub(auth)


async def start(exports: Any, ada: Caller) -> Export:
    reply = await exports.StartExport(StartExportRequest(), metadata=ada.metadata)
    export: Export = reply.export
    return export


async def state(exports: Any, ada: Caller, export: Export) -> int:
    request = GetExportRequest(export_id=export.id)
    reply = await exports.GetExport(request, metadata=ada.metadata)
    found: int = reply.export.state
    return found


async def finish(exports: Any, ada: Caller, working: Work, export: Export) -> None:
    async def finished() -> bool:
        return await state(exports, ada, export) == Export.STATE_SUCCEEDED

    async with working() as until:
        await until(finished)


async def document(exports: Any, ada: Caller, export: Export) -> bytes:
    request = GetExportFileRequest(export_id=export.id)
    reply = await exports.GetExportFile(request, metadata=ada.metadata)
    found: bytes = reply.document
    return found


async def refusal(call: Any) -> str:
    with pytest.raises(PeerError) as refused:
        await call
    return refused.value.reason


async def test_it_holds_what_every_service_knows_and_no_secret(
    exports: Any, callers: Callers, working: Work
) -> None:
    tenant = await callers.tenant()
    ada = tenant.owner
    export = await start(exports, ada)
    assert export.state == Export.STATE_QUEUED
    await finish(exports, ada, working, export)
    text = await document(exports, ada, export)
    held = json.loads(text)["services"]
    assert held.keys() == set(SERVICES)
    assert held["auth"]["accounts"][0]["email"] == ada.email
    assert held["auth"]["sessions"][0]["id"] == str(ada.session_id)
    assert held["tenancy"]["memberships"] == [{"org_id": str(tenant.org_id), "role": "owner"}]
    assert held["reports"] == {"runs": [], "uploads": []}
    assert "emails" in held["notifications"]
    for secret in (b"password_hash", b"family_key", b"token_hash", b"$2b$"):
        assert secret not in text


async def test_it_is_stored_encrypted(
    exports: Any, callers: Callers, working: Work, admin: Admin
) -> None:
    ada = await callers.user()
    export = await start(exports, ada)
    await finish(exports, ada, working, export)
    row = admin.execute(
        "SELECT document FROM auth.personal_exports WHERE id = %s", [export.id]
    ).fetchone()
    assert row is not None
    assert row[0][:1] == b"\x01", "an encrypted value"
    assert ada.email.encode() not in row[0]


async def test_anothers_is_unknown_and_so_is_one_that_is_not_there_yet(
    exports: Any, callers: Callers, working: Work
) -> None:
    ada, eve = await callers.user(), await callers.user()
    export = await start(exports, ada)
    assert await refusal(document(exports, ada, export)) == "export_not_found"
    await finish(exports, ada, working, export)
    assert await document(exports, ada, export)
    assert await refusal(state(exports, eve, export)) == "export_not_found"
    assert await refusal(document(exports, eve, export)) == "export_not_found"


async def test_asked_for_at_once_it_is_made_once_and_not_too_often(
    exports: Any, callers: Callers, admin: Admin
) -> None:
    ada = await callers.user()
    asked = await asyncio.gather(*(start(exports, ada) for _ in range(10)))
    assert len({export.id for export in asked}) == 1
    for _ in range(EXPORTS_A_DAY - 1):
        admin.execute(
            "UPDATE auth.personal_exports SET state = 'failed' WHERE user_id = %s", [ada.user_id]
        )
        await start(exports, ada)
    admin.execute(
        "UPDATE auth.personal_exports SET state = 'failed' WHERE user_id = %s", [ada.user_id]
    )
    assert await refusal(start(exports, ada)) == "too_many_exports"


async def test_one_that_nobody_could_fetch_fails_at_once(
    exports: Any, callers: Callers, working: Work, admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await callers.user()
    assert exports_models.MAX_BYTES + 1024 < MAX_MESSAGE_BYTES, "there is room for it in a message"
    monkeypatch.setattr(service_module, "MAX_BYTES", 100)
    export = await start(exports, ada)

    async def failed() -> bool:
        return await state(exports, ada, export) == Export.STATE_FAILED

    async with working() as until:
        await until(failed)
    job = admin.execute(
        "SELECT state, attempts, last_error FROM auth.jobs"
        " WHERE type = 'exports.collect' AND user_id = %s",
        [ada.user_id],
    ).fetchone()
    assert job is not None
    assert job[:2] == ("failed", 1)
    assert "of which 100 can be sent" in job[2]
    assert await refusal(document(exports, ada, export)) == "export_not_found"


async def test_the_longest_that_succeeds_can_be_fetched(
    exports: Any, callers: Callers, working: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as it may be: what the services say, and a text that is not compressed to nothing."""
    ada = await callers.user()
    collect = EverybodysPersonalData.collect

    async def much(self: EverybodysPersonalData, user_id: UUID) -> Any:
        said = await collect(self, user_id)
        short = len(json.dumps(said, ensure_ascii=False).encode()) + 200
        return {**said, "much": "x" * (exports_models.MAX_BYTES - short)}

    monkeypatch.setattr(EverybodysPersonalData, "collect", much)
    export = await start(exports, ada)
    await finish(exports, ada, working, export)
    assert len(await document(exports, ada, export)) > exports_models.MAX_BYTES - 200


async def test_it_is_deleted_in_the_end(
    exports: Any, callers: Callers, working: Work, admin: Admin
) -> None:
    ada = await callers.user()
    export = await start(exports, ada)
    await finish(exports, ada, working, export)
    admin.execute(
        "UPDATE auth.jobs SET run_at = now() WHERE type = 'exports.expire' AND user_id = %s",
        [ada.user_id],
    )

    async def gone() -> bool:
        try:
            await state(exports, ada, export)
        except PeerError as error:
            return error.reason == "export_not_found"
        return False

    async with working() as until:
        await until(gone)


async def test_whoever_is_erased_meanwhile_gets_no_new_key(
    exports: Any, callers: Callers, system: System, admin: Admin, auth: grpc.aio.Channel
) -> None:
    """Between the last answer and the end of the export."""
    ada, at = await callers.user(), clock.now()
    export = UUID((await start(exports, ada)).id)
    assert await delete(auth, ada) == ""
    async with open_backbone(APP.name, system.settings(APP)) as backbone:
        cipher = Accounts(backbone).cipher
        finished = exports_models.Export(export, ada.user_id, ExportState.SUCCEEDED, at, at)
        async with backbone.database.user(ada.user_id) as tx:
            assert not await ExportRepository(tx, cipher).finish(finished, b"{}")
    assert left(admin, ada.user_id) == []


def test_every_table_of_people_says_what_of_it_is_shown() -> None:
    """A new one fails here until somebody has thought of it."""
    told = {section.table.name for section in SECTIONS} | {table.name for table in SECRET}
    kept = {table.name for table in METADATA.sorted_tables if table.info == USER}
    assert kept - {name_of(OwnerKind.USER)} == told


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)
def test_no_secret_column_is_shown(section: Any) -> None:
    sealed = section.sealed.binary if section.sealed else ()
    assert not {*sealed, "password_hash", "token_hash", "document"} & {*section.columns}
