"""The only place where auth is wired."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from tenon.auth.v1.api_key_service_pb2_grpc import add_ApiKeyServiceServicer_to_server
from tenon.auth.v1.audit_client_service_pb2_grpc import add_AuditClientServiceServicer_to_server
from tenon.auth.v1.email_change_service_pb2_grpc import add_EmailChangeServiceServicer_to_server
from tenon.auth.v1.erasure_service_pb2_grpc import add_ErasureServiceServicer_to_server
from tenon.auth.v1.export_service_pb2_grpc import add_ExportServiceServicer_to_server
from tenon.auth.v1.identity_service_pb2_grpc import add_IdentityServiceServicer_to_server
from tenon.auth.v1.link_service_pb2_grpc import add_LinkServiceServicer_to_server
from tenon.auth.v1.log_in_link_service_pb2_grpc import add_LogInLinkServiceServicer_to_server
from tenon.auth.v1.log_in_service_pb2_grpc import add_LogInServiceServicer_to_server
from tenon.auth.v1.passkey_service_pb2_grpc import add_PasskeyServiceServicer_to_server
from tenon.auth.v1.password_service_pb2_grpc import add_PasswordServiceServicer_to_server
from tenon.auth.v1.second_factor_service_pb2_grpc import add_SecondFactorServiceServicer_to_server
from tenon.auth.v1.session_service_pb2_grpc import add_SessionServiceServicer_to_server
from tenon.auth.v1.signing_key_service_pb2_grpc import add_SigningKeyServiceServicer_to_server
from tenon.auth.v1.user_service_pb2_grpc import add_UserServiceServicer_to_server
from tenon_auth.api_keys import subscriptions as api_key_subscriptions
from tenon_auth.api_keys.ending import ApiKeyEnding
from tenon_auth.api_keys.rpc import ApiKeyServicer
from tenon_auth.api_keys.service import ApiKeyService
from tenon_auth.audit_keys.rpc import AuditClientServicer
from tenon_auth.clients import TenancyInvitations
from tenon_auth.email_changes.rpc import EmailChangeServicer
from tenon_auth.email_changes.service import EmailChangeService
from tenon_auth.email_changes.tasks import EmailChangeTasks
from tenon_auth.erasures import subscriptions
from tenon_auth.erasures.models import OTHERS
from tenon_auth.erasures.rpc import ErasureServicer
from tenon_auth.erasures.service import ErasureService
from tenon_auth.erasures.tasks import ErasureTasks
from tenon_auth.exports.rpc import ExportServicer
from tenon_auth.exports.tasks import ExportTasks
from tenon_auth.foundation import GUESSES_SECONDS, NAME, Accounts, LogIns
from tenon_auth.identities.people import People
from tenon_auth.identities.rpc import IdentityServicer
from tenon_auth.identities.service import IdentityService
from tenon_auth.identities.tasks import IdentityTasks
from tenon_auth.links.rpc import LinkServicer
from tenon_auth.log_in_links.rpc import LogInLinkServicer
from tenon_auth.log_in_links.service import LogInLinkService
from tenon_auth.log_in_links.tasks import LogInLinkTasks
from tenon_auth.log_ins.rpc import LogInServicer
from tenon_auth.log_ins.service import LogInService
from tenon_auth.operators.opened import Opened
from tenon_auth.operators.service import OperatorService
from tenon_auth.organization_data.service import OrganizationDataService
from tenon_auth.passkeys.rpc import PasskeyServicer
from tenon_auth.passkeys.service import PasskeyService
from tenon_auth.passwords.guesses import Allowance
from tenon_auth.passwords.rpc import PasswordServicer
from tenon_auth.passwords.service import PasswordService
from tenon_auth.passwords.tasks import PasswordTasks
from tenon_auth.personal_data.service import PersonalDataService
from tenon_auth.providers.flows import FlowTokens
from tenon_auth.providers.service import ProviderService
from tenon_auth.second_factors.rpc import SecondFactorServicer
from tenon_auth.second_factors.service import SecondFactorService
from tenon_auth.sessions.rpc import SessionServicer
from tenon_auth.sessions.tasks import SessionTasks
from tenon_auth.settings import AuthSettings
from tenon_auth.sign_ups.service import SignUpService
from tenon_auth.sign_ups.tasks import SignUpTasks
from tenon_auth.signing_keys.operator import SigningKeyOperator
from tenon_auth.signing_keys.rotation import RotationTasks
from tenon_auth.signing_keys.rpc import SigningKeyServicer
from tenon_auth.users.rpc import UserServicer
from tenon_core import logging
from tenon_crypto.blind_index import BlindIndex
from tenon_db.cursors import Consumer
from tenon_jobs import Keep, Upkeep, Worker, run_worker
from tenon_rotation.operator import RotationOperator
from tenon_rpc.backbone import Backbone, open_backbone
from tenon_rpc.feed import PeerFeed
from tenon_rpc.methods import Registration
from tenon_rpc.organization_data import deletion_handlers
from tenon_rpc.personal_data import personal_data
from tenon_rpc.process import ServiceApp


def servicers(backbone: Backbone[AuthSettings]) -> Sequence[Registration]:
    settings, database = backbone.settings, backbone.database
    accounts = Accounts(backbone)
    log_ins = LogIns(backbone, accounts)
    users, links = accounts.users, accounts.links
    devices, guesses = log_ins.devices, log_ins.guesses
    credentials, sessions = log_ins.credentials, log_ins.sessions
    signing_keys, factors = log_ins.signing_keys, log_ins.factors
    sign_ups = SignUpService(
        database,
        settings.sign_ups,
        accounts.queue,
        TenancyInvitations(backbone.channels["tenancy"]),
        users,
        links,
        devices,
        accounts.link_mails,
        credentials,
        sessions,
        smtputf8=backbone.settings.smtputf8,
    )
    passwords = PasswordService(
        database, accounts.queue, users, devices, links, credentials, factors.all, sessions
    )
    identities = IdentityService(
        database,
        accounts.cipher,
        ProviderService(settings.oidc_providers, settings.public_url),
        FlowTokens(BlindIndex(accounts.keyring, NAME, "spent_flows", "token")),
        People(
            database,
            accounts.cipher,
            accounts.subjects,
            users,
            sign_ups,
            sessions,
            factors.live_sessions,
        ),
        users,
        credentials,
        factors.passkeys,
        sessions,
    )
    api_keys = ApiKeyService(
        database,
        BlindIndex(accounts.keyring, NAME, "api_key_secrets", "secret_index"),
        signing_keys,
        backbone.grant_changes,
        accounts.audit_keys,
    )
    second_factors = SecondFactorService(
        database, users, factors.totp, factors.passkeys, factors.recovery_codes, factors.all
    )
    passkeys = PasskeyService(database, accounts.cipher, users, factors.passkeys, factors.all)
    log_in_service = LogInService(
        database,
        users,
        credentials,
        devices,
        factors.passkeys,
        factors.all,
        factors.second_steps,
        sessions,
        guesses,
        Allowance(settings.guesses_per_second_factor, GUESSES_SECONDS),
    )
    log_in_links = LogInLinkService(database, accounts.queue, users, links, sessions)
    email_changes = EmailChangeService(
        database,
        accounts.cipher,
        accounts.queue,
        users,
        devices,
        links,
        accounts.link_mails,
        credentials,
        factors.all,
        identities,
        sessions,
        smtputf8=backbone.settings.smtputf8,
    )
    return [
        (add_EmailChangeServiceServicer_to_server, EmailChangeServicer(email_changes)),
        (add_ErasureServiceServicer_to_server, ErasureServicer(accounts.erasures)),
        (add_ExportServiceServicer_to_server, ExportServicer(accounts.exports)),
        personal_data(PersonalDataService(database, accounts.cipher).export),
        (add_UserServiceServicer_to_server, UserServicer(users, sign_ups)),
        (
            add_SessionServiceServicer_to_server,
            SessionServicer(sessions, log_ins.log_outs, api_keys),
        ),
        (add_ApiKeyServiceServicer_to_server, ApiKeyServicer(api_keys)),
        (add_AuditClientServiceServicer_to_server, AuditClientServicer(accounts.audit_keys)),
        (add_LogInLinkServiceServicer_to_server, LogInLinkServicer(log_in_links)),
        (add_LogInServiceServicer_to_server, LogInServicer(log_in_service)),
        (add_SecondFactorServiceServicer_to_server, SecondFactorServicer(second_factors)),
        (add_PasskeyServiceServicer_to_server, PasskeyServicer(passkeys)),
        (add_PasswordServiceServicer_to_server, PasswordServicer(passwords)),
        (add_LinkServiceServicer_to_server, LinkServicer(links)),
        (add_IdentityServiceServicer_to_server, IdentityServicer(identities)),
        (add_SigningKeyServiceServicer_to_server, SigningKeyServicer(signing_keys)),
    ]


def consumers(backbone: Backbone[AuthSettings], erasures: ErasureService) -> Sequence[Consumer]:
    ending = ApiKeyEnding(backbone.grant_changes)
    deletions = deletion_handlers(OrganizationDataService(ending).erase)
    more = {"tenancy": {**deletions, **api_key_subscriptions.handlers(ending)}}
    return [
        Consumer(
            backbone.database,
            PeerFeed(source, backbone.channels[source]),
            {**subscriptions.handlers(erasures, source), **more.get(source, {})},
        )
        for source in OTHERS
    ]


@asynccontextmanager
async def worker(settings: AuthSettings) -> AsyncIterator[Worker]:
    async with open_backbone(NAME, settings) as backbone:
        accounts, database = Accounts(backbone), backbone.database
        passwords = PasswordTasks(database, accounts.users, accounts.links, accounts.link_mails)
        sign_ups = SignUpTasks(database, accounts.users, accounts.links)
        identities = IdentityTasks(database)
        email_changes = EmailChangeTasks(database, accounts.cipher, accounts.users)
        erasures = ErasureTasks(database, accounts.erasures)
        signing = RotationTasks(settings.signing_keys_directory, settings.signing_key_days)
        encryption = accounts.rotations.tasks(settings.encryption_key_days)
        upkeep = Upkeep(database, accounts.queue, Keep.of(settings), counts_mails=True)
        yield Worker(
            database,
            accounts.queue,
            [
                *passwords.types(),
                *LogInLinkTasks(
                    database, accounts.users, accounts.links, accounts.link_mails
                ).types(),
                *SessionTasks(database, accounts.session_ending).types(),
                *sign_ups.types(),
                *identities.types(),
                *email_changes.types(),
                *erasures.types(),
                *ExportTasks(accounts.exports).types(),
                *signing.types(),
                *encryption.types(),
                *upkeep.types(),
            ],
            recurring=[
                *sign_ups.recurring(),
                *identities.recurring(),
                *erasures.recurring(),
                *signing.recurring(),
                *encryption.recurring(),
                *upkeep.recurring(),
            ],
            beside=[consumer.run for consumer in consumers(backbone, accounts.erasures)],
        )


@asynccontextmanager
async def opened() -> AsyncIterator[Opened]:
    """Open what the commands of an operator work on."""
    settings = AuthSettings()
    logging.configure(NAME, settings.log_level)
    async with open_backbone(NAME, settings) as backbone:
        accounts, database = Accounts(backbone), backbone.database
        log_ins = LogIns(backbone, accounts)
        yield Opened(
            database,
            OperatorService(
                database,
                accounts.users,
                log_ins.devices,
                accounts.links,
                log_ins.credentials,
                log_ins.sessions,
            ),
            SigningKeyOperator(database, settings.signing_keys_directory),
            accounts.rotations.operator,
        )


@asynccontextmanager
async def opened_encryption() -> AsyncIterator[RotationOperator]:
    async with opened() as tenon:
        yield tenon.encryption


def operate_encryption(words: Sequence[str]) -> None:
    from tenon_rotation.command import encryption  # as below

    encryption.main([*words], prog_name="python -m tenon_auth encryption", obj=opened_encryption)


def operate(group: str, words: Sequence[str]) -> None:
    from tenon_auth.operators.command import GROUPS  # servers need no command line

    GROUPS[group].main([*words], prog_name=f"python -m tenon_auth {group}", obj=opened)


APP = ServiceApp(
    name=NAME,
    settings=AuthSettings,
    migrations=Path(__file__).parents[1] / "migrations" / "versions",
    servicers=servicers,
    work=lambda settings: run_worker(NAME, settings, worker),
    operators={
        **{group: partial(operate, group) for group in ("users", "keys")},
        "encryption": operate_encryption,
    },
)
