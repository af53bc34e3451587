"""The only place where auth is wired."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tenon.auth.v1.session_service_pb2_grpc import add_SessionServiceServicer_to_server
from tenon.auth.v1.signing_key_service_pb2_grpc import add_SigningKeyServiceServicer_to_server
from tenon.auth.v1.user_service_pb2_grpc import add_UserServiceServicer_to_server
from tenon_auth.sessions.rpc import SessionServicer
from tenon_auth.sessions.service import SessionService
from tenon_auth.settings import AuthSettings
from tenon_auth.signing_keys.rpc import SigningKeyServicer
from tenon_auth.signing_keys.service import SigningKeyService, load_signing_keys
from tenon_auth.users.passwords import PasswordHasher
from tenon_auth.users.rpc import UserServicer
from tenon_auth.users.service import UserService
from tenon_crypto.blind_index import BlindIndex
from tenon_crypto.data_keys import DataKeys
from tenon_crypto.fields import FieldCipher
from tenon_crypto.opening import open_keyring
from tenon_jobs import CeleryDoorbell, JobQueue, Keep, Upkeep, Worker, run_worker
from tenon_policy.tokens import KeySet, TokenVerifier
from tenon_rpc.backbone import Backbone, open_backbone
from tenon_rpc.methods import Registration
from tenon_rpc.process import ServiceApp

NAME = "auth"


def servicers(backbone: Backbone[AuthSettings]) -> Sequence[Registration]:
    settings, database = backbone.settings, backbone.database
    passwords = PasswordHasher(settings.bcrypt_cost)
    signing_keys = SigningKeyService(load_signing_keys(settings.signing_keys_directory))
    keyring = open_keyring(settings.keyring_url)
    cipher = FieldCipher(DataKeys(NAME, keyring))
    addresses = BlindIndex(keyring, NAME, "logins", "email_index")
    sessions = SessionService(
        database,
        cipher,
        addresses,
        passwords,
        signing_keys,
        TokenVerifier(KeySet(signing_keys.public_keys)),
        backbone.grant_changes,
        settings.session_life,
    )
    users = UserService(database, cipher, addresses, passwords, sessions)
    return [
        (add_UserServiceServicer_to_server, UserServicer(users)),
        (add_SessionServiceServicer_to_server, SessionServicer(sessions)),
        (add_SigningKeyServiceServicer_to_server, SigningKeyServicer(signing_keys)),
    ]


@asynccontextmanager
async def worker(settings: AuthSettings) -> AsyncIterator[Worker]:
    async with open_backbone(NAME, settings) as backbone:
        queue = JobQueue(NAME, CeleryDoorbell(NAME, settings.redis_url.get_secret_value()))
        upkeep = Upkeep(backbone.database, queue, Keep.of(settings))
        yield Worker(backbone.database, queue, upkeep.types(), recurring=upkeep.recurring())


APP = ServiceApp(
    name=NAME,
    settings=AuthSettings,
    migrations=Path(__file__).parents[1] / "migrations" / "versions",
    servicers=servicers,
    work=lambda settings: run_worker(NAME, settings, worker),
)
