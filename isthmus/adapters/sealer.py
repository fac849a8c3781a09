"""sealer: secrets at rest, readable only with the master key and only for what they were sealed for.

AES-256-GCM with a random 96-bit nonce; the context (say `authority/<org>/<cluster>/<number>`) is authenticated, so a
sealed key copied to another row does not open. The key's id stands in front, so that a later rotation can tell whose
turn it is. Layout: version (1) | key id (8) | nonce (12) | ciphertext and tag.
"""

import os
import stat
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from isthmus.errors import Denied, Invalid
from isthmus.values import Secret

_VERSION = b"\x01"
_KEY_BYTES, _ID_BYTES, _NONCE_BYTES = 32, 8, 12
_POINTER = "/master_key_file"


class Unsealable(Denied):
    """Sealed under another key or for another purpose, or altered."""

    code = "unsealable"


class Sealer:
    """Seals and opens under one master key."""

    def __init__(self, key: bytes) -> None:
        assert len(key) == _KEY_BYTES, "AES-256 has a key of 32 bytes"
        self._cipher = AESGCM(key)
        self._id = sha256(b"isthmus master key id" + key).digest()[:_ID_BYTES]
        self._root = HKDF(SHA256(), _KEY_BYTES, None, b"isthmus derived keys").derive(key)

    @classmethod
    def load(cls, path: Path) -> "Sealer":
        """The master key in a file of 64 hex digits, mode 0600, owned by us or root. Invalid for anything else."""
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as missing:
            raise Invalid.one(_POINTER, "master_key_unreadable", f"{path}: {missing.strerror}") from missing
        try:
            _check_mode(path, os.fstat(handle))
            text = os.read(handle, 4 * _KEY_BYTES)
        finally:
            os.close(handle)
        try:
            return cls(bytes.fromhex(text.decode("ascii")))
        except (ValueError, AssertionError) as wrong:
            raise Invalid.one(_POINTER, "master_key_malformed", f"{path} must hold 64 hex digits") from wrong

    @classmethod
    def create(cls, path: Path) -> "Sealer":
        """A new master key in a new file of mode 0600. FileExistsError rather than overwriting one."""
        key = os.urandom(_KEY_BYTES)
        write_private(path, key.hex().encode() + b"\n")
        return cls(key)

    def derive(self, purpose: str) -> bytes:
        """A key of its own for what is not sealing, such as signing page tokens; it tells nothing of the master key."""
        return HKDF(SHA256(), _KEY_BYTES, None, purpose.encode()).derive(self._root)

    def seal(self, secret: bytes, context: str) -> bytes:
        """`secret`, to be opened only with the same context."""
        nonce = os.urandom(_NONCE_BYTES)
        head = _VERSION + self._id
        return head + nonce + self._cipher.encrypt(nonce, secret, head + context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        """The inverse of `seal`; Unsealable if anything differs."""
        head, nonce, body = sealed[:9], sealed[9:21], sealed[21:]
        if head != _VERSION + self._id:
            raise Unsealable(f"{context} is sealed under another master key, or not by us")
        try:
            return self._cipher.decrypt(nonce, body, head + context.encode())
        except (InvalidTag, ValueError) as altered:
            raise Unsealable(f"what is sealed as {context} was altered, or sealed for something else") from altered


def write_private(path: Path, content: Secret | bytes) -> None:
    """A new file that only its owner can read, on disk when this returns."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())
        file.flush()
        os.fsync(file.fileno())


def _check_mode(path: Path, found: os.stat_result) -> None:
    mode = stat.S_IMODE(found.st_mode)
    if not stat.S_ISREG(found.st_mode) or mode != 0o600:  # noqa: PLR2004 - the mode that the message names
        raise Invalid.one(_POINTER, "master_key_exposed", f"{path} must be a file of mode 0600, not {mode:04o}")
    if found.st_uid not in {os.geteuid(), 0}:
        raise Invalid.one(_POINTER, "master_key_exposed", f"{path} must be owned by this user or root")
