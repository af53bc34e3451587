import json
from collections.abc import AsyncIterator

from tenon_db.database import Database
from tenon_tenancy.audit_checkpoints.models import Beginning, Checkpoint, Gap, LogKey
from tenon_tenancy.audit_checkpoints.service import AuditCheckpointService
from tenon_tenancy.audit_checkpoints.signing import is_genuine, public_jwks
from tenon_tenancy.audit_events.chain import BEGINNING
from tenon_tenancy.audit_events.models import Head
from tenon_tenancy.audit_events.reading import read_log
from tenon_tenancy.audit_events.showing import shown_log
from tenon_tenancy.audit_verification import documents
from tenon_tenancy.audit_verification.verification import Problem, Report, Verifier, expect_signed
from tenon_tenancy.clients import AuditClients


class AuditVerificationService:
    """Checks the logs of the database against the checkpoints of the storage."""

    def __init__(
        self, database: Database, checkpoints: AuditCheckpointService, clients: AuditClients
    ) -> None:
        self._database = database
        self._clients = clients
        self._checkpoints = checkpoints

    def public_key_set(self) -> str:
        """Return the keys that checkpoints are signed with, as a JSON Web Key Set (RFC 8037)."""
        return json.dumps({"keys": public_jwks(self._checkpoints.public_keys)}, indent=2)

    def every(self) -> AsyncIterator[LogKey]:
        """Yield every log that there is."""
        return self._checkpoints.logs()

    async def checkpoints(self, key: LogKey) -> AsyncIterator[Checkpoint | Beginning]:
        """Yield where a log begins if that is not line 1, and its checkpoints by position."""
        beginning = await self._checkpoints.beginning(key)
        if beginning:
            yield beginning
        async for found in self._checkpoints.of(key, beginning.position if beginning else 0):
            if isinstance(found, Checkpoint):
                yield found

    async def verify(self, key: LogKey) -> Report:
        """Check a log as it is now; anew if its retention removes lines meanwhile."""
        beginning = await self._checkpoints.beginning(key)
        report = await self._verify(key, beginning)
        while (moved := await self._checkpoints.beginning(key)) != beginning:
            beginning, report = moved, await self._verify(key, moved)
        return report

    async def _verify(self, key: LogKey, beginning: Beginning | None) -> Report:
        """Check a log from its beginning on.

        Lines are read after the checkpoint that covers them, so none is missed that came between.
        """
        genuine = beginning and is_genuine(beginning, self._checkpoints.public_keys)
        start = Head(beginning.position, beginning.hash) if beginning and genuine else BEGINNING
        verifier = Verifier(str(key), start)
        if beginning and not genuine:
            verifier.find(Problem.NO_BEGINNING, beginning.position)
        async for found in self._checkpoints.of(key, start.position):
            await self._take(verifier, key, to=found.position - 1)
            if isinstance(found, Gap):
                verifier.find(Problem.UNKEPT, found.position)
            else:
                expect_signed(verifier, found, self._checkpoints.public_keys)
        await self._take(verifier, key)
        return verifier.finish()

    async def export(self, key: LogKey) -> AsyncIterator[bytes]:
        """Yield a log as JSON Lines, oldest line first, without what is about to be removed."""
        beginning = await self._checkpoints.beginning(key)
        after = beginning.position if beginning else 0
        lines = read_log(self._database, key.log, key.owner_id, after)
        async for line in shown_log(self._clients, lines):
            yield documents.written(str(key), line)

    async def _take(self, verifier: Verifier, key: LogKey, to: int | None = None) -> None:
        async for line in read_log(self._database, key.log, key.owner_id, verifier.last, to):
            verifier.take(line)
