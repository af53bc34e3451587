"""Services in this process, and workers that work while they are let."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import grpc
import psycopg

from tenon_jobs import Worker
from tenon_reports import app as reports_app
from tenon_tenancy import app as tenancy_app
from tenon_testing.callers import Callers, Tenant
from tenon_testing.system import System
from tenon_testing.waiting import eventually

PAGE = 1


@dataclass
class Stage:
    """Auth, tenancy and reports in this process, servers and workers, in front of one database."""

    system: System
    callers: Callers
    admin: psycopg.AsyncConnection
    auth: grpc.aio.Channel
    tenancy: grpc.aio.Channel
    reports: grpc.aio.Channel
    workers: list[Worker] = field(default_factory=list)

    async def working(self, stack: AsyncExitStack) -> None:
        """Let the workers work until the stack is left."""
        self.workers.clear()
        reports = reports_app.worker(
            self.system.settings(reports_app.APP, process="reports-worker")
        )
        tenancy = tenancy_app.worker(
            self.system.settings(tenancy_app.APP, process="tenancy-worker")
        )
        for opened in (reports, tenancy):
            worker = await stack.enter_async_context(opened)
            await stack.enter_async_context(worker.running())
            self.workers.append(worker)

    async def until(self, condition: Callable[[], Awaitable[object]]) -> None:
        """Wait for what a worker does, and let it look for work meanwhile."""

        async def looked() -> object:
            for worker in self.workers:
                worker.wake()
            return await condition()

        await eventually(looked, within=60)

    async def scalar(self, query: str, *parameters: object) -> Any:
        found = await (await self.admin.execute(query.encode(), parameters)).fetchone()
        return found[0] if found else None


async def pages(method: Any, request: Any, tenant: Tenant, **fields: Any) -> None:
    """List two pages."""
    page = await method(request(page_size=PAGE, **fields), metadata=tenant.metadata)
    assert page.next_page_token
    after = request(page_size=PAGE, page_token=page.next_page_token, **fields)
    await method(after, metadata=tenant.metadata)
