"""What reports tells the others."""

from uuid import UUID

from tenon.privacy.v1.events_pb2 import PersonalDataErased
from tenon.reports.v1.events_pb2 import RunFailed, RunSucceeded, UploadSucceeded
from tenon_core.events import Event


def run_succeeded(org_id: UUID, run_id: UUID, user_id: UUID | None) -> Event:
    payload = RunSucceeded(org_id=str(org_id), run_id=str(run_id), user_id=str(user_id or ""))
    return Event.of(payload, org_id=org_id)


def run_failed(org_id: UUID, run_id: UUID, user_id: UUID | None) -> Event:
    payload = RunFailed(org_id=str(org_id), run_id=str(run_id), user_id=str(user_id or ""))
    return Event.of(payload, org_id=org_id)


def upload_succeeded(org_id: UUID, upload_id: UUID, user_id: UUID | None) -> Event:
    payload = UploadSucceeded(
        org_id=str(org_id), upload_id=str(upload_id), user_id=str(user_id or "")
    )
    return Event.of(payload, org_id=org_id)


def personal_data_erased(user_id: UUID) -> Event:
    """Tell that nothing is left of somebody here: reports holds ids of people alone."""
    return Event.of(PersonalDataErased(user_id=str(user_id)), user_id=user_id)
