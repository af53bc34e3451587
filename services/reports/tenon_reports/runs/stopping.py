"""How the writing of a run's file ends early, and the last moment at which it may."""

from tenon_db.database import Database
from tenon_reports.runs.models import WORKING, Run, RunState
from tenon_reports.runs.repository import RunRepository

LONGEST_EXPORT_SECONDS = 6 * 3600.0


class Stopped(Exception):  # an event, and no error
    """The run was cancelled, or is gone with its dataset, or another worker has it."""


async def move(database: Database, run: Run, to: RunState) -> None:
    """Take the run to another state of its work; Stopped if it is not wanted any more."""
    async with database.tenant(run.org_id) as tx:
        states = WORKING | {RunState.QUEUED}
        if not await RunRepository(tx).move(run.id, states, to, waiting_reason=""):
            raise Stopped
