"""Identities that no provider was asked about, for tests of other things."""

import secrets
from uuid import UUID

from tenon_auth import events
from tenon_auth.app import APP
from tenon_auth.identities.models import Identity
from tenon_auth.identities.repository import IdentityRepository
from tenon_core import clock
from tenon_core.ids import uuid7
from tenon_crypto.data_keys import DataKeys
from tenon_crypto.fields import FieldCipher
from tenon_crypto.keyring import Mac
from tenon_crypto.opening import open_keyring
from tenon_rpc.backbone import open_backbone
from tenon_testing.system import System


async def add_identity(system: System, user_id: UUID) -> str:
    """Connect somebody with a provider, as a log-in does; return the identity's id."""
    subject = secrets.token_urlsafe()
    identity = Identity(uuid7(), user_id, "https://acme.example", subject, None, clock.now())
    settings = system.settings(APP)
    cipher = FieldCipher(DataKeys(APP.name, open_keyring(settings.keyring_url)))
    terms = [Mac("of a test", secrets.token_bytes(32))]
    async with (
        open_backbone(APP.name, settings) as backbone,
        backbone.database.user(user_id) as tx,
    ):
        await IdentityRepository(tx, cipher).add(identity, terms)
        await tx.publish(events.identity_linked(user_id, identity.id))
    return str(identity.id)
