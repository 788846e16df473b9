"""Secrets at rest: AES-256-GCM under a ring of keys, each ciphertext bound to the place it was made for.

``v1:<key id>:<base64 of nonce and ciphertext>``. Tenant, system and column are the associated data: a sealed value that
was copied to another row, another column or another tenant does not open there. Nonces are 96 random bits
(NIST SP 800-38D §8.2.2), safe for 2^32 values per key, which no ring will see.
"""

import base64
import binascii
import os
import re
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from integration_pipeline.errors import Misconfigured, UsageError
from integration_pipeline.settings import KEYS, Settings

HOME_KEYS = "keys"
"""The file in the home with the ring of the embedded database, where no other is named."""

_IMPORT_AGAIN = "Import the connection or spreadsheet again with its secrets."
_PUT_BACK = (
    "Put that key back into the ring; if it is lost, import the connection or spreadsheet again with its secrets."
)

_VERSION = "v1"
_KEY_BYTES = 32
_NONCE_BYTES = 12
_KEY_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class Keyring:
    """Keys by id. The first one seals, all of them open."""

    def __init__(self, keys: Mapping[str, bytes], *, where: str = KEYS) -> None:
        self._where = where
        self.first = next(iter(keys))
        """The id of the key that seals."""
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all keys, the first one first."""
        return tuple(self._ciphers)

    def __repr__(self) -> str:
        return f"Keyring({', '.join(self._ciphers)})"

    @classmethod
    def parse(cls, text: str, *, where: str = KEYS) -> Self:
        """``id:base64key``, separated by commas or line ends.

        :raises UsageError: names ``where`` and the entry's number, never the entry: it is a key.
        """
        keys: dict[str, bytes] = {}
        entries = [entry.strip() for entry in re.split(r"[,\n]", text) if entry.strip()]
        for number, entry in enumerate(entries, start=1):
            key_id, _, encoded = entry.partition(":")
            key = _decoded(encoded)
            if not _KEY_ID.fullmatch(key_id) or key is None or len(key) != _KEY_BYTES:
                raise UsageError(f"{where}: entry {number} is not id:base64key with a key of {_KEY_BYTES} bytes")
            if key_id in keys:
                raise UsageError(f"{where}: entries with the same id {key_id}")
            keys[key_id] = key
        if not keys:
            raise UsageError(f"{where} holds no key")
        return cls(keys, where=where)

    @classmethod
    def load(cls, settings: Settings) -> Self:
        """The ring the settings name; with the embedded database and none named, the home's own, made when missing.

        :raises UsageError: it cannot be read, or a database that outlives this home would depend on generated keys.
        """
        if settings.keys is None and settings.database_url is not None:
            raise UsageError(f"{KEYS} is not set: `integration-pipeline keys generate` prints a key to keep there")
        if settings.keys is None:
            return cls._of_file(_generated(settings.home / HOME_KEYS))
        if settings.keys.startswith("file:"):
            return cls._of_file(Path(settings.keys.removeprefix("file:")))
        return cls.parse(settings.keys)

    @classmethod
    def _of_file(cls, path: Path) -> Self:
        try:
            text = path.read_text(encoding="ascii")
        except OSError as error:
            raise UsageError(f"the keys in {path} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError:
            raise UsageError(f"{path} is no file of keys") from None
        return cls.parse(text, where=str(path))

    def seal(self, value: SecretStr, *, tenant_id: str, system: str, column: str) -> str:
        """The value under the first key, for this place alone. The same value never looks the same twice."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        place = _place(self.first, tenant_id, system, column)
        sealed = self._ciphers[self.first].encrypt(nonce, value.get_secret_value().encode(), place)
        return f"{_VERSION}:{self.first}:{base64.b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, *, tenant_id: str, system: str, column: str) -> SecretStr:
        """The value that was sealed for this place.

        :raises Misconfigured: its key is not in the ring or not the one it was sealed with, or it was altered or moved
            here from another place; names the key id and the place, never the value.
        """
        where = f"{column} of {tenant_id} {system}"
        key_id, body = _parts(sealed, where)
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            message = f"{where} is sealed with the key {key_id}, which is not in {self._where}"
            raise Misconfigured(message, remedy=_PUT_BACK)
        try:
            opened = cipher.decrypt(body[:_NONCE_BYTES], body[_NONCE_BYTES:], _place(key_id, tenant_id, system, column))
        except InvalidTag:
            raise Misconfigured(
                f"{where} does not open with the key {key_id}: another key of that name sealed it, or it was altered",
                remedy=_PUT_BACK,
            ) from None
        return SecretStr(opened.decode())

    def is_sealed(self, value: SecretStr, sealed: str | None, *, tenant_id: str, system: str, column: str) -> bool:
        """Whether sealing the value would bring nothing new: it is what is sealed there, under the first key."""
        if sealed is None or key_of(sealed) != self.first:
            return False
        try:
            return self.open(sealed, tenant_id=tenant_id, system=system, column=column) == value
        except Misconfigured:  # what does not open is no value at all
            return False


def generate() -> str:
    """A new key as the ring's text has it, under a random id."""
    return f"key-{secrets.token_hex(4)}:{base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()}"


def key_of(sealed: str) -> str | None:
    """The id of the key that a value says it was sealed with; None for what is no sealed value."""
    version, _, rest = sealed.partition(":")
    key_id, separator, _ = rest.partition(":")
    return key_id if version == _VERSION and separator and _KEY_ID.fullmatch(key_id) else None


def _parts(sealed: str, where: str) -> tuple[str, bytes]:
    version, _, rest = sealed.partition(":")
    key_id, _, encoded = rest.partition(":")
    body = _decoded(encoded)
    if version != _VERSION or not _KEY_ID.fullmatch(key_id) or body is None or len(body) < _NONCE_BYTES:
        raise Misconfigured(f"{where} is not a sealed value", remedy=_IMPORT_AGAIN)
    return key_id, body


def _place(key_id: str, *place: str) -> bytes:
    """Lengths stand before the parts, so that no two places read the same."""
    parts = [part.encode() for part in (_VERSION, key_id, *place)]
    return b"".join(b"%d:%b|" % (len(part), part) for part in parts)


def _decoded(encoded: str) -> bytes | None:
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None


def _generated(path: Path) -> Path:
    """The home's own keys, made once: of two processes that make them at once, one wins and both read the winner's."""
    if path.exists():
        return path
    home = path.parent
    try:
        home.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(prefix="keys.", dir=home)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(f"{generate()}\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return path
        finally:
            Path(draft).unlink()
    except OSError as error:
        raise UsageError(f"no keys can be made in {home}: {error.strerror}") from error
    return path
