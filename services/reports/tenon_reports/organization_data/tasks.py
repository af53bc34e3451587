from tenon_jobs import Job, JobType
from tenon_reports.organization_data.service import ERASE, OrganizationDataService

ATTEMPTS = 1_000
LONGEST_DELAY = 3_600.0
LONGEST_ERASURE_SECONDS = 6 * 3_600.0


class OrganizationDataTasks:
    def __init__(self, organization_data: OrganizationDataService) -> None:
        self._organization_data = organization_data

    def types(self) -> list[JobType]:
        """A storage that is away is tried for weeks: what is not destroyed would stay for ever."""
        return [
            JobType(
                ERASE,
                self.erase,
                max_attempts=ATTEMPTS,
                longest_delay=LONGEST_DELAY,
                timeout_seconds=LONGEST_ERASURE_SECONDS,
            )
        ]

    async def erase(self, job: Job) -> None:
        assert job.org_id is not None
        await self._organization_data.erase(job.org_id)
        late = bool(job.payload.get("late"))
        await self._organization_data.tell(job.org_id, job, late=late)
