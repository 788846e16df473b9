"""What a connection's credentials are worth: tokens that expire, rotate and are revoked.

A token carries its own meaning, signed, so that one issued before the sandbox was restarted is still understood.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

_SIGNED_WITH = b"integration-pipeline sandbox: this is no secret"


class Issued(NamedTuple):
    """What a token says of itself."""

    tenant_id: str
    purpose: str
    """``access`` or ``refresh``."""
    serial: int
    expires_at: int
    """Unix seconds; 0 = never."""
    scopes: frozenset[str]


def seal(issued: Issued) -> bytes:
    text = "|".join(
        (issued.purpose, str(issued.serial), str(issued.expires_at), " ".join(sorted(issued.scopes)), issued.tenant_id)
    ).encode()
    return hmac.digest(_SIGNED_WITH, text, "sha256")[:12] + text


def unseal(token: bytes) -> Issued | None:
    """What a token says, or None for one that no sandbox made."""
    signature, text = token[:12], token[12:]
    if not hmac.compare_digest(signature, hmac.digest(_SIGNED_WITH, text, "sha256")[:12]):
        return None
    purpose, serial, expires_at, scopes, tenant_id = text.decode().split("|", 4)
    return Issued(tenant_id, purpose, int(serial), int(expires_at), frozenset(scopes.split()))


def to_hex(token: bytes) -> str:
    return token.hex()


def from_hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def to_base64(token: bytes) -> str:
    """With ``+``, ``/`` and ``=`` in it for certain, so that a client that forgets to encode them finds out."""
    padded = b"\xfb\xef\xbe\xff\xff\xff" + token
    return base64.b64encode(padded if len(padded) % 3 else padded + b" ").decode()


def from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)[6:].rstrip(b" ")
    except ValueError:
        return b""


@dataclass(slots=True)
class Access:
    """One connection's credentials, as the provider sees them. ``serial`` numbers the token pairs issued."""

    tenant_id: str
    client_id: str
    client_secret: str = field(repr=False)
    scopes: frozenset[str]
    """Granted to the app: scopes at Slack and LINE WORKS, permissions at Graph."""
    rotates: bool
    life_seconds: int
    armour: Callable[[bytes], str]
    problem: str | None = None
    """The provider's own error code that every use of the credentials gets, or None while all is well."""
    serial: int = 0
    spent_serial: int = -1
    """Refresh tokens up to this one were used."""
    expired_serial: int = -1
    """Access tokens up to this one have expired, whatever they say."""

    def issue(self, now: float, *, scopes: frozenset[str] | None = None) -> tuple[str, str]:
        """A new pair: access token and refresh token."""
        self.serial += 1
        return self.current(now, scopes=scopes)

    def current(self, now: float, *, scopes: frozenset[str] | None = None) -> tuple[str, str]:
        expires_at = int(now) + self.life_seconds if self.life_seconds else 0
        granted = self.scopes if scopes is None else scopes & self.scopes
        access = Issued(self.tenant_id, "access", self.serial, expires_at, granted)
        refresh = Issued(self.tenant_id, "refresh", self.serial, 0, frozenset())
        return self.armour(seal(access)), self.armour(seal(refresh))

    def notice(self, issued: Issued) -> None:
        """A token of before a restart tells how far the numbering had come."""
        self.serial = max(self.serial, issued.serial)

    def has_expired(self, issued: Issued, now: float) -> bool:
        return issued.serial <= self.expired_serial or 0 < issued.expires_at <= now

    def expire(self) -> None:
        """Every access token issued so far has expired; a fresh one works."""
        self.expired_serial = self.serial

    def spend(self, issued: Issued) -> bool:
        """Use up a single-use refresh token; False when it was used before."""
        if issued.serial <= self.spent_serial or issued.serial < self.serial:
            return False
        self.spent_serial = issued.serial
        return True


def _prime(name: str, offset: int) -> int:
    start = int.from_bytes(hashlib.shake_256(f"integration-pipeline sandbox {name}".encode()).digest(128), "big")
    return (start | 3 << 1022 | 1) + offset


@cache
def private_key() -> rsa.RSAPrivateKey:
    """The one key of every imitated service account.

    Derived from two constants rather than generated, so that a connection imported yesterday still works after the
    sandbox was restarted, and rather than stored, since a key file in a repository alarms every scanner. It protects nothing.
    """
    p, q, e = _prime("p", 760), _prime("q", 454), 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=rsa.rsa_crt_dmp1(d, p),
        dmq1=rsa.rsa_crt_dmq1(d, q),
        iqmp=rsa.rsa_crt_iqmp(p, q),
        public_numbers=rsa.RSAPublicNumbers(e, p * q),
    )
    return numbers.private_key()


@cache
def private_key_pem() -> str:
    return (
        private_key()
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )
