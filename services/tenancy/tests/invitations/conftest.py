from collections.abc import AsyncIterator

import grpc
import psycopg
import pytest

from services.tenancy.tests.invitations.invitations_client import InvitationsClient
from tenon_testing.system import System


@pytest.fixture
async def invitations(
    system: System, tenancy: grpc.aio.Channel, admin: psycopg.AsyncConnection
) -> AsyncIterator[InvitationsClient]:
    auth = system.channel("tenancy", caller="auth")
    worker = system.channel("tenancy", caller="notifications-worker")
    yield InvitationsClient(tenancy, auth, worker, admin)
    await auth.close(None)
    await worker.close(None)
