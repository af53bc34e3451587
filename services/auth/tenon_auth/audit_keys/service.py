from collections.abc import Mapping, Sequence
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from tenon_auth.audit_keys.models import KeyPair
from tenon_auth.audit_keys.repository import AuditKeyRepository
from tenon_core.errors import FieldError, InvalidArgument
from tenon_core.ids import uuid7
from tenon_crypto.fields import FieldCipher
from tenon_db.database import Database
from tenon_db.transaction import Transaction
from tenon_policy.audit_clients import (
    AuditKey,
    OpenedClient,
    UnreadableClient,
    key_id_of,
    open_sealed,
)
from tenon_policy.call import Call

MAX_BATCH = 1_000


class AuditKeyService:
    """The key pairs for where people's audited calls come from."""

    def __init__(self, database: Database, cipher: FieldCipher) -> None:
        self._database = database
        self._cipher = cipher

    async def adopt(self, tx: Transaction, call: Call) -> AuditKey:
        """Let a call be recorded for the transaction's person, who is its caller or becomes it."""
        if call.audit_key is None:
            call.audit_key = await self.get_within(tx)
        return call.audit_key

    async def get_within(self, tx: Transaction) -> AuditKey:
        """Return the public key of the transaction's person, who has one from the first login."""
        keys = AuditKeyRepository(tx, self._cipher)
        if found := await keys.find():
            return found
        await keys.add(_new_pair())
        made = await keys.find()
        assert made is not None, "this transaction or another has made it"
        return made

    async def find(self, user_id: UUID) -> AuditKey | None:
        """Return the public key of a person; None if they were erased."""
        async with self._database.user(user_id) as tx:
            return await AuditKeyRepository(tx, self._cipher).find()

    async def open(self, sealed: Sequence[bytes]) -> list[OpenedClient]:
        """Open sealed clients, in their order; what no key opens any more is empty."""
        if len(sealed) > MAX_BATCH:
            raise InvalidArgument(fields=[FieldError("/sealed", f"must be at most {MAX_BATCH}")])
        ids = {key_id for value in sealed if (key_id := key_id_of(value))}
        async with self._database.system("audit clients") as tx:
            keys = await AuditKeyRepository(tx, self._cipher).private_keys(ids)
        return [_opened(value, keys) for value in sealed]


def _new_pair() -> KeyPair:
    private = X25519PrivateKey.generate()
    return KeyPair(uuid7(), private.public_key().public_bytes_raw(), private.private_bytes_raw())


def _opened(sealed: bytes, keys: Mapping[UUID, bytes]) -> OpenedClient:
    key_id = key_id_of(sealed)
    private = keys.get(key_id) if key_id else None
    if private is None:
        return OpenedClient()
    try:
        return open_sealed(X25519PrivateKey.from_private_bytes(private), sealed)
    except UnreadableClient:
        return OpenedClient()
