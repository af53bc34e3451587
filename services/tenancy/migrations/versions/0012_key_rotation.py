"""Rotations of keys. Whoever rotates them reads all wrapped data keys."""

from tenon_crypto.cells import OwnerKind
from tenon_crypto.migrations import let_rotate
from tenon_rotation.migrations import create_rotations

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    create_rotations()
    let_rotate(OwnerKind.ORGANIZATION)
