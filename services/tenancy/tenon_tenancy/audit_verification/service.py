from collections.abc import AsyncIterator, Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tenon_db.database import Database
from tenon_tenancy.audit_checkpoints.models import LogKey
from tenon_tenancy.audit_checkpoints.service import AuditCheckpointService
from tenon_tenancy.audit_events.reading import read_log
from tenon_tenancy.audit_verification import documents
from tenon_tenancy.audit_verification.verification import Report, Verifier, genuine


class AuditVerificationService:
    """Checks the logs of the database against the checkpoints of the storage."""

    def __init__(self, database: Database, checkpoints: AuditCheckpointService) -> None:
        self._database = database
        self._checkpoints = checkpoints

    @property
    def public_keys(self) -> Mapping[str, Ed25519PublicKey]:
        return self._checkpoints.public_keys

    async def keys(self) -> AsyncIterator[LogKey]:
        """Yield every log that there is."""
        async for key in self._checkpoints.logs():
            yield key

    async def verify(self, key: LogKey) -> Report:
        """Check a log as it is now."""
        known = [checkpoint async for checkpoint in self._checkpoints.of(key)]
        signed, forged = genuine(known, self.public_keys)
        verifier = Verifier(str(key), signed, forged)
        async for line in read_log(self._database, key.log, key.owner_id):
            verifier.take(line)
        return verifier.finish()

    async def export(self, key: LogKey) -> AsyncIterator[bytes]:
        """Yield a log as JSON Lines, oldest line first."""
        async for line in read_log(self._database, key.log, key.owner_id):
            yield documents.written(str(key), line)
