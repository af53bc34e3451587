"""What must be there before the first process of ours: keys, certificates, the migrated database.

`python -m tenon_launcher.foundation DATA_DIR` does it in a process of its own, so that what it
imports does not stay in the launcher's memory.
"""

import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tenon_crypto.file_keyring import create_keyring
from tenon_crypto.pem_keys import add_pem_key
from tenon_db import migrations
from tenon_db.provisioning import Passwords, provision
from tenon_embedded.certificates import CertificateAuthority
from tenon_embedded.secret_file import write_secret
from tenon_launcher.data_directory import DataDirectory
from tenon_launcher.database_roles import DATABASE, Role, role_password, role_url
from tenon_launcher.plan import ADMIN_URL, PROCESSES, SERVICES

SERVICES_FOLDER = Path(__file__).parents[2] / "services"


def lay(data: DataDirectory, admin_url: str) -> None:
    """Make what is missing; where nothing is, this changes nothing."""
    create_keys(data)
    authority = CertificateAuthority(data.certificates)
    for process in PROCESSES:
        authority.issue(process)
    provision(admin_url, DATABASE, passwords(data))
    data.initialized.touch(mode=0o600)
    for service in SERVICES:
        owner = role_url(data, admin_url, Role(service, "owner"))
        versions = SERVICES_FOLDER / service / "migrations" / "versions"
        migrations.run(owner, schema=service, versions=versions)


def create_keys(data: DataDirectory) -> None:
    """The keys of file links, clients' names, access tokens, checkpoints and personal data.

    Only before the first start: what is missing later is lost, and preflight refuses that.
    """
    if data.is_initialized():
        return
    create_keyring(data.keyring)
    create_keyring(data.tenancy_keyring)
    for key in (data.link_key, data.address_key):
        if not key.exists():
            write_secret(key, secrets.token_bytes(32))
    if not any(data.signing_keys.glob("*.pem")):
        add_pem_key(data.signing_keys, rsa.generate_private_key(65537, key_size=2048))
    if not any(data.checkpoint_keys.glob("*.pem")):
        add_pem_key(data.checkpoint_keys, Ed25519PrivateKey.generate())


def passwords(data: DataDirectory) -> Mapping[str, Passwords]:
    return {
        service: Passwords(
            owner=role_password(data, Role(service, "owner")),
            app=role_password(data, Role(service, "app")),
        )
        for service in SERVICES
    }


if __name__ == "__main__":
    try:
        lay(DataDirectory(Path(sys.argv[1])), os.environ[ADMIN_URL])
    except migrations.MigrationBlocked as blocked:
        sys.exit(str(blocked))
