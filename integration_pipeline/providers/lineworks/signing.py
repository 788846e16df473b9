"""Signing by a private key. Apart from the rest, and imported by those who sign: it takes longer than a small tenant's sync."""

from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key


def private_key(pem: str) -> RSAPrivateKey | None:
    """The RSA key in a PEM text; None where none can be read."""
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # no PEM; under a passphrase; of a kind nobody knows
        return None
    return key if isinstance(key, RSAPrivateKey) else None


def signed(claims: Mapping[str, Any], key: RSAPrivateKey) -> str:
    """A JWT, signed RS256."""
    return jwt.encode(dict(claims), key, algorithm="RS256")
