from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from tenon_auth import events
from tenon_auth.api_keys.ending import ApiKeyEnding
from tenon_auth.api_keys.models import ApiKey, Secret, Wish, require_reach
from tenon_auth.api_keys.repository import ApiKeyRepository, SecretRepository
from tenon_auth.audit_keys.service import AuditKeyService
from tenon_auth.errors import ApiKeyExpired, ApiKeyNotFound, TooManyApiKeys
from tenon_auth.limits import API_KEYS
from tenon_auth.signing_keys.service import ACCESS_TOKEN_SECONDS, KeyClaims, SigningKeyService
from tenon_core import clock
from tenon_core.errors import FieldError, InvalidApiKey, InvalidArgument
from tenon_core.events import Event
from tenon_core.ids import uuid7
from tenon_crypto.blind_index import BlindIndex
from tenon_crypto.keyring import Mac
from tenon_db.database import Database
from tenon_db.mail_limits import MailCounters
from tenon_db.pages import Page, clamp, cut, read_id
from tenon_db.transaction import Transaction
from tenon_policy.api_keys import SHOWN_CHARS, is_well_formed, new_secret
from tenon_policy.call import Call
from tenon_policy.grants import GrantChanges

MAX_KEYS = 100
MAX_GRACE_SECONDS = 24 * 3_600
KEPT = timedelta(days=30)
"""How long an expired key can still be seen."""
USED_EVERY = timedelta(minutes=1)


class ApiKeyService:
    """Keys of organizations, and what they are exchanged for."""

    def __init__(
        self,
        database: Database,
        index: BlindIndex,
        signing_keys: SigningKeyService,
        grants: GrantChanges,
        audit_keys: AuditKeyService,
    ) -> None:
        self._database = database
        self._index = index
        self._signing_keys = signing_keys
        self._ending = ApiKeyEnding(grants)
        self._audit_keys = audit_keys

    async def create(self, call: Call, wish: Wish) -> tuple[ApiKey, str]:
        """Make a key; return it with its secret. InvalidArgument, RoleAboveOwn, TooManyApiKeys,
        TooManyMails.
        """
        at = clock.now()
        if problems := wish.problems(at):
            raise InvalidArgument(fields=problems)
        require_reach(call.role, wish.role)
        text = new_secret()
        key = ApiKey(
            org_id=call.org,
            id=uuid7(),
            name=wish.name,
            role=wish.role,
            permissions=sorted(set(wish.permissions)),
            prefix=text[:SHOWN_CHARS],
            creator_id=call.user,
            create_time=at,
            expire_time=wish.ends(at),
        )
        async with self._database.tenant(call.org) as tx:
            await self._add(tx, key, at)
            await self._give(tx, key, text)
            await self._tell_owners(
                tx, call, key, events.api_key_created(key.org_id, key.id, call.user)
            )
        return key, text

    async def get(self, call: Call) -> ApiKey:
        """Return the key that calls; InvalidApiKey."""
        assert call.key is not None, "the policy lets keys in alone"
        async with self._database.tenant(call.key.org_id) as tx:
            key = await ApiKeyRepository(tx).find(call.key.key_id)
        if key is None:
            raise InvalidApiKey
        return key

    async def get_notice(self, org_id: UUID | None, key_id: UUID | None) -> ApiKey:
        """Return the key that a mail is about; ApiKeyNotFound."""
        if org_id is None or key_id is None:
            raise ApiKeyNotFound
        async with self._database.tenant(org_id) as tx:
            key = await ApiKeyRepository(tx).find(key_id)
        if key is None:
            raise ApiKeyNotFound
        return key

    async def list(
        self, call: Call, creator_id: UUID | None, page_size: int, page_token: str
    ) -> Page[ApiKey]:
        """List the keys, or those that one user has created, newest first."""
        size, before = clamp(page_size), read_id(page_token)
        async with self._database.tenant(call.org) as tx:
            found = await ApiKeyRepository(tx).page(before, size + 1, creator_id)
        return cut(found, size, lambda key: (key.id,))

    async def rotate(
        self, call: Call, key_id: UUID | None, grace_seconds: int
    ) -> tuple[ApiKey, str]:
        """Give a key another secret; return both. InvalidArgument, ApiKeyNotFound, RoleAboveOwn,
        ApiKeyExpired, TooManyMails.
        """
        _require_grace(grace_seconds)
        text = new_secret()
        async with self._database.tenant(call.org) as tx:
            repository = ApiKeyRepository(tx)
            key = await repository.lock(key_id)
            require_reach(call.role, key.role)
            at = clock.now()
            if key.expire_time <= at:
                raise ApiKeyExpired
            key = replace(key, prefix=text[:SHOWN_CHARS])
            await repository.set_prefix(key.id, key.prefix)
            await SecretRepository(tx).end(key, at + timedelta(seconds=grace_seconds))
            await self._give(tx, key, text)
            await self._tell_owners(
                tx, call, key, events.api_key_rotated(key.org_id, key.id, call.user)
            )
            await self._ending.refuse(tx, await SecretRepository(tx).remove(key, over=at))
        return key, text

    async def revoke(self, call: Call, key_id: UUID | None) -> None:
        """Let nobody use a key any more; ApiKeyNotFound, RoleAboveOwn."""
        async with self._database.tenant(call.org) as tx:
            repository = ApiKeyRepository(tx)
            key = await repository.lock(key_id)
            require_reach(call.role, key.role)
            await repository.remove(key.id)
            await tx.publish(
                events.api_key_revoked(key.org_id, key.id), call.access(_resource(key))
            )
            await self._ending.refuse(tx, await SecretRepository(tx).remove(key))

    async def exchange(self, call: Call, text: str) -> tuple[str, datetime]:
        """Return an access token for a secret, and when it expires; InvalidApiKey.

        Whoever revokes the key meanwhile ends the token too: that is good while the secret is.
        """
        if not is_well_formed(text):
            raise InvalidApiKey
        terms, at = await self._index.terms(text.encode()), clock.now()
        async with self._database.system("api keys") as tx:
            secret = await SecretRepository(tx).find([term.digest for term in terms])
        if secret is None or secret.expire_time <= at:
            raise InvalidApiKey
        async with self._database.tenant(secret.org_id) as tx:
            key = await self._use(tx, secret, terms, at)
            actor = f"api-keys/{key.id}"
            await tx.publish(call.access(_resource(key), org_id=key.org_id, actor=actor))
        audit_key = await self._audit_keys.find(key.creator_id)
        return self._signing_keys.sign_for_key(
            KeyClaims(key.scope, secret.id, secret.expire_time, audit_key)
        )

    async def find_live(self, secret_ids: Sequence[UUID]) -> Sequence[UUID]:
        """Return which of these are ids of secrets that are good."""
        async with self._database.system("grants") as tx:
            return await SecretRepository(tx).find_live(secret_ids, clock.now())

    async def _use(
        self, tx: Transaction, secret: Secret, terms: Sequence[Mac], at: datetime
    ) -> ApiKey:
        """Note that a secret is used, and return its key; InvalidApiKey.

        While one index key replaces another, this is when the new hash becomes known: only who
        holds a secret has its text.
        """
        missing = [term for term in terms if term.key not in secret.index_keys]
        repository = ApiKeyRepository(tx)
        key = await repository.find(secret.key_id, lock=bool(missing))
        if key is None:
            raise InvalidApiKey
        for term in missing:
            await SecretRepository(tx).find_by_also(secret, term)
        await repository.set_used(key.id, at, at - USED_EVERY)
        return key

    async def _add(self, tx: Transaction, key: ApiKey, at: datetime) -> None:
        """Add a key, and forget those long over; TooManyApiKeys."""
        repository = ApiKeyRepository(tx)
        await repository.lock_all()
        await repository.remove_old(at - KEPT)
        await SecretRepository(tx).remove_old(key.org_id, at - KEPT)
        if await repository.count() >= MAX_KEYS:
            raise TooManyApiKeys
        await repository.add(key)

    async def _tell_owners(self, tx: Transaction, call: Call, key: ApiKey, event: Event) -> None:
        """Publish an event that is mailed to the owners, with its audit record; TooManyMails."""
        counters = MailCounters(tx, self._database.schema)
        await counters.charge([(API_KEYS, key.org_id.bytes)])
        await tx.publish(event, call.access(_resource(key)))

    async def _give(self, tx: Transaction, key: ApiKey, text: str) -> None:
        secret = Secret(uuid7(), key.org_id, key.id, key.expire_time)
        await SecretRepository(tx).add(secret, await self._index.terms(text.encode()))


def _resource(key: ApiKey) -> str:
    return f"api-keys/{key.id}"


def _require_grace(seconds: int) -> None:
    """A token lives on for as long as access tokens do, so no secret ends sooner but at once."""
    if seconds != 0 and not ACCESS_TOKEN_SECONDS <= seconds <= MAX_GRACE_SECONDS:
        message = f"must be 0, or from {ACCESS_TOKEN_SECONDS} to {MAX_GRACE_SECONDS}"
        raise InvalidArgument(fields=[FieldError("/grace_seconds", message)])
