"""What notifications tells the others."""

from uuid import UUID

from tenon.notifications.v1.events_pb2 import ErasureReported
from tenon.privacy.v1.events_pb2 import PersonalDataErased
from tenon_core.events import Event


def personal_data_erased(user_id: UUID, rows: int) -> Event:
    """Tell that nothing is left of somebody here; notifications has no keys of people."""
    return Event.of(PersonalDataErased(user_id=str(user_id), rows=rows), user_id=user_id)


def erasure_reported(erasure_id: UUID) -> Event:
    return Event.of(ErasureReported(erasure_id=str(erasure_id)), user_id=erasure_id)
