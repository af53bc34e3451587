"""Rotations of keys. Whoever rotates them reads all wrapped data keys, and which index key each
recovery code was hashed with.
"""

from tenon_crypto.cells import OwnerKind
from tenon_crypto.migrations import let_rotate
from tenon_crypto.wrapped_keys import PURPOSE
from tenon_db import migrations as m
from tenon_rotation.migrations import create_rotations

revision = "0016"
down_revision = "0014"


def upgrade() -> None:
    create_rotations()
    let_rotate(OwnerKind.USER)
    m.readable_for("recovery_codes", PURPOSE)
