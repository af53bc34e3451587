from tenon_jobs import Job, JobType
from tenon_notifications.organization_data.service import ERASE, OrganizationDataService


class OrganizationDataTasks:
    def __init__(self, organization_data: OrganizationDataService) -> None:
        self._organization_data = organization_data

    def types(self) -> list[JobType]:
        return [JobType(ERASE, self.erase, max_attempts=1_000, longest_delay=3_600.0)]

    async def erase(self, job: Job) -> None:
        assert job.org_id is not None
        await self._organization_data.erase(job.org_id)
        await self._organization_data.tell(job.org_id, job)
