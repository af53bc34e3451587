import json
from collections.abc import AsyncIterator

from tenon_db.database import Database
from tenon_tenancy.audit_checkpoints.models import Checkpoint, LogKey
from tenon_tenancy.audit_checkpoints.service import AuditCheckpointService
from tenon_tenancy.audit_checkpoints.signing import public_jwks
from tenon_tenancy.audit_events.reading import read_log
from tenon_tenancy.audit_verification import documents
from tenon_tenancy.audit_verification.verification import Report, Verifier, genuine


class AuditVerificationService:
    """Checks the logs of the database against the checkpoints of the storage."""

    def __init__(self, database: Database, checkpoints: AuditCheckpointService) -> None:
        self._database = database
        self._checkpoints = checkpoints

    def public_key_set(self) -> str:
        """Return the keys that checkpoints are signed with, as a JSON Web Key Set (RFC 8037)."""
        return json.dumps({"keys": public_jwks(self._checkpoints.public_keys)}, indent=2)

    def every(self) -> AsyncIterator[LogKey]:
        """Yield every log that there is."""
        return self._checkpoints.logs()

    def checkpoints(self, key: LogKey) -> AsyncIterator[Checkpoint]:
        return self._checkpoints.of(key)

    async def verify(self, key: LogKey) -> Report:
        """Check a log as it is now."""
        known = [checkpoint async for checkpoint in self.checkpoints(key)]
        signed, forged = genuine(known, self._checkpoints.public_keys)
        verifier = Verifier(str(key), signed, forged)
        async for line in read_log(self._database, key.log, key.owner_id):
            verifier.take(line)
        return verifier.finish()

    async def export(self, key: LogKey) -> AsyncIterator[bytes]:
        """Yield a log as JSON Lines, oldest line first."""
        async for line in read_log(self._database, key.log, key.owner_id):
            yield documents.written(str(key), line)
