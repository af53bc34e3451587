"""Encrypted values: AES-256-GCM under a data key that the value names.

    version (1 byte, 1) · data key's id (16) · nonce (12, random) · ciphertext · tag (16)

Random nonces are good for 2³² values of a key (NIST SP 800-38D, 8.3); a key is one owner's.
"""

import os
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tenon_crypto.cells import Cell, Owner
from tenon_crypto.errors import Undecryptable

VERSION = b"\x01"
HEADER_BYTES = 1 + 16
NONCE_BYTES = 12
TAG_BYTES = 16
KEY_BYTES = 32
OVERHEAD_BYTES = HEADER_BYTES + NONCE_BYTES + TAG_BYTES


class DataKey:
    """A key that encrypts one owner's values in one service."""

    def __init__(self, key_id: UUID, owner: Owner, key: bytes) -> None:
        self.id = key_id
        self.owner = owner
        self._aead = AESGCM(key)
        self._header = VERSION + key_id.bytes

    def seal(self, cell: Cell, plaintext: bytes) -> bytes:
        assert cell.owner == self.owner, "another's key"
        nonce = os.urandom(NONCE_BYTES)
        bound = cell.associated_data(self._header)
        return self._header + nonce + self._aead.encrypt(nonce, plaintext, bound)

    def open(self, cell: Cell, value: bytes) -> bytes:
        """Return what was sealed for this cell; Undecryptable."""
        header, nonce = value[:HEADER_BYTES], value[HEADER_BYTES:][:NONCE_BYTES]
        if header != self._header or len(value) < OVERHEAD_BYTES:
            raise Undecryptable
        bound = cell.associated_data(header)
        try:
            return self._aead.decrypt(nonce, value[HEADER_BYTES + NONCE_BYTES :], bound)
        except InvalidTag:
            raise Undecryptable from None


def key_id_of(value: bytes) -> UUID | None:
    """Return the id of the data key that a value names; None if it is no encrypted value."""
    if len(value) < OVERHEAD_BYTES or value[:1] != VERSION:
        return None
    return UUID(bytes=value[1:HEADER_BYTES])
