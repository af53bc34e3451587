"""What tenancy's servers and its workers both stand on."""

from tenon_crypto.data_keys import DataKeys
from tenon_crypto.fields import FieldCipher
from tenon_crypto.opening import open_keyring
from tenon_jobs import CeleryDoorbell, JobQueue
from tenon_rpc.backbone import Backbone
from tenon_tenancy.clients import AuthDirectory
from tenon_tenancy.members.service import MemberService
from tenon_tenancy.settings import TenancySettings

NAME = "tenancy"


class Foundation:
    def __init__(self, backbone: Backbone[TenancySettings]) -> None:
        settings, database = backbone.settings, backbone.database
        self.keyring = open_keyring(settings.keyring_url)
        self.cipher = FieldCipher(DataKeys(NAME, self.keyring))
        self.queue = JobQueue(NAME, CeleryDoorbell(NAME, settings.redis_url.get_secret_value()))
        self.directory = AuthDirectory(backbone.channels["auth"])
        self.members = MemberService(database, backbone.grant_changes, self.directory)
