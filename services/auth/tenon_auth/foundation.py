"""What auth's servers, its workers and the commands of its operators stand on."""

from tenon_auth.audit_keys.service import AuditKeyService
from tenon_auth.clients import EverybodysPersonalData, TenancyMemberships
from tenon_auth.devices.service import DeviceService
from tenon_auth.erasures.service import ErasureService
from tenon_auth.exports.service import ExportService
from tenon_auth.identities.subjects import Subjects
from tenon_auth.indexes.service import IndexService
from tenon_auth.links.mails import LinkMails
from tenon_auth.links.service import LinkService
from tenon_auth.passkeys.ceremonies import Ceremonies
from tenon_auth.passkeys.challenges import Challenges
from tenon_auth.passkeys.keys import Passkeys
from tenon_auth.passwords.credentials import Credentials
from tenon_auth.passwords.guesses import Allowance, GuessLimiter
from tenon_auth.passwords.hashing import PasswordHasher
from tenon_auth.recovery_codes.service import RecoveryCodeService
from tenon_auth.second_factors.factors import SecondFactors
from tenon_auth.second_steps.service import SecondStepService
from tenon_auth.sessions.ending import SessionEnding
from tenon_auth.sessions.live import LiveSessions
from tenon_auth.sessions.log_outs import LogOutService
from tenon_auth.sessions.service import SessionService
from tenon_auth.settings import AuthSettings
from tenon_auth.signing_keys.service import SigningKeyService
from tenon_auth.totp.service import TotpService
from tenon_auth.users.service import UserService
from tenon_crypto.blind_index import BlindIndex
from tenon_crypto.cells import OwnerKind
from tenon_crypto.data_keys import DataKeys
from tenon_crypto.fields import FieldCipher
from tenon_crypto.opening import open_keyring
from tenon_crypto.row_tokens import RowTokens
from tenon_jobs import CeleryDoorbell, JobQueue
from tenon_policy.tokens import KeySet, TokenVerifier
from tenon_rotation import Rotations
from tenon_rpc.backbone import Backbone

NAME = "auth"
GUESSES_SECONDS = 900


class Accounts:
    """What the servers and the workers both stand on."""

    def __init__(self, backbone: Backbone[AuthSettings]) -> None:
        settings, database = backbone.settings, backbone.database
        self.keyring = open_keyring(settings.keyring_url)
        keys = DataKeys(NAME, self.keyring)
        self.cipher = FieldCipher(keys)
        self.audit_keys = AuditKeyService(database, self.cipher)
        self.links = LinkService(database, RowTokens(self.keyring, NAME, "links"))
        addresses = BlindIndex(self.keyring, NAME, "logins", "email_index")
        self.link_mails = LinkMails(
            NAME, BlindIndex(self.keyring, NAME, "mail_counters", "mailbox")
        )
        self.users = UserService(database, self.cipher, addresses, self.links, self.link_mails)
        self.subjects = Subjects(
            self.cipher, BlindIndex(self.keyring, NAME, "identity_logins", "subject_index")
        )
        self.queue = JobQueue(NAME, CeleryDoorbell(NAME, settings.redis_url.get_secret_value()))
        indexes = IndexService(self.users, self.subjects)
        self.rotations = Rotations(
            database, self.queue, self.keyring, keys, [OwnerKind.USER], indexes
        )
        self.session_ending = SessionEnding(self.cipher, backbone.grant_changes)
        self.erasures = ErasureService(
            database,
            self.cipher,
            self.queue,
            self.users,
            self.links,
            self.session_ending,
            TenancyMemberships(backbone.channels["tenancy"]),
        )
        personal_data = EverybodysPersonalData(backbone.channels)
        self.exports = ExportService(database, self.cipher, self.queue, personal_data)


class Factors:
    """Second factors, and the log-ins that wait for one."""

    def __init__(self, backbone: Backbone[AuthSettings], accounts: Accounts) -> None:
        keyring, cipher = accounts.keyring, accounts.cipher
        self.devices = DeviceService(backbone.database)
        self.second_steps = SecondStepService(
            backbone.database,
            RowTokens(keyring, NAME, "second_steps"),
            self.devices,
        )
        self.totp = TotpService(cipher, backbone.settings.product_name)
        self.recovery_codes = RecoveryCodeService(
            BlindIndex(keyring, NAME, "recovery_codes", "code_hash")
        )
        challenges = Challenges(BlindIndex(keyring, NAME, "spent_challenges", "challenge"))
        ceremonies = Ceremonies(backbone.settings.public_url, backbone.settings.product_name)
        self.passkeys = Passkeys(cipher, challenges, ceremonies)
        self.live_sessions = LiveSessions(cipher)
        self.all = SecondFactors(
            self.totp, self.passkeys, self.recovery_codes, self.second_steps, self.live_sessions
        )


class LogIns:
    """What servers, and operators beside them, stand on."""

    def __init__(self, backbone: Backbone[AuthSettings], accounts: Accounts) -> None:
        settings, database = backbone.settings, backbone.database
        self.signing_keys = SigningKeyService(
            settings.signing_keys_directory, settings.access_token_life
        )
        self.factors = Factors(backbone, accounts)
        self.devices = self.factors.devices
        self.guesses = GuessLimiter(
            backbone.redis,
            BlindIndex(accounts.keyring, NAME, "guesses", "network"),
            account=Allowance(settings.guesses_per_account, GUESSES_SECONDS),
            network=Allowance(settings.guesses_per_network, GUESSES_SECONDS),
        )
        self.credentials = Credentials(
            database,
            accounts.users,
            accounts.links,
            self.devices,
            self.factors.second_steps,
            PasswordHasher(settings.bcrypt_cost),
            self.guesses,
        )
        self.sessions = SessionService(
            database,
            accounts.cipher,
            accounts.users,
            self.credentials,
            self.devices,
            self.factors.all,
            self.signing_keys,
            backbone.grant_changes,
            accounts.audit_keys,
            settings.session_life,
        )
        self.log_outs = LogOutService(
            database,
            accounts.cipher,
            accounts.queue,
            TokenVerifier(KeySet(self.signing_keys.public_keys)),
            accounts.session_ending,
            accounts.audit_keys,
        )
