from uuid import UUID

from tenon_auth.events import SessionEndCause
from tenon_auth.sessions.ending import SessionEnding
from tenon_auth.sessions.log_outs import LOG_OUT
from tenon_db.database import Database
from tenon_jobs import Job, JobType, Scope


class SessionTasks:
    def __init__(self, database: Database, ending: SessionEnding) -> None:
        self._database = database
        self._ending = ending

    def types(self) -> list[JobType]:
        return [
            JobType(LOG_OUT, self.log_out, max_attempts=100, longest_delay=60.0, scope=Scope.USER)
        ]

    async def log_out(self, job: Job) -> None:
        """End a session whose log-out found Redis unavailable."""
        assert job.user_id is not None
        session_id = UUID(job.payload["session_id"])
        async with self._database.user(job.user_id) as tx:
            await self._ending.end_one(tx, job.user_id, session_id, SessionEndCause.LOG_OUT)
