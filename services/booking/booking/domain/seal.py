"""Sealed bytes: what goes out to callers and has to come back unchanged and unread, as base64url text.

AES-256-GCM-SIV (RFC 8452) under a key of the purpose, with the tenant as associated data: what was sealed for
one tenant is a forgery to every other, and nobody without the key can read it. Nonces are random; this mode
keeps its promises even where one should come twice.
"""

import base64
import binascii
import hmac
import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

_NONCE: Final = 12
_TAG: Final = 16


class Sealer:
    """Seals and opens for one purpose. Raises ValueError for a key shorter than 32 bytes."""

    def __init__(self, key: bytes, purpose: str) -> None:
        if len(key) < 32:
            raise ValueError("the key of a seal needs at least 32 bytes")
        self._cipher = AESGCMSIV(hmac.digest(key, b"encrypted: " + purpose.encode(), "sha256"))

    def seal(self, tenant: str, payload: bytes) -> str:
        """The payload, encrypted, in text that URLs and headers take as it is."""
        nonce = os.urandom(_NONCE)
        sealed = nonce + self._cipher.encrypt(nonce, payload, tenant.encode())
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def open(self, tenant: str, text: str) -> bytes | None:
        """The payload, or None when this text was not sealed with this key for this tenant and purpose."""
        raw = _decoded(text)
        if raw is None or len(raw) < _NONCE + _TAG:
            return None
        try:
            return self._cipher.decrypt(raw[:_NONCE], raw[_NONCE:], tenant.encode())
        except InvalidTag:
            return None


def _decoded(text: str) -> bytes | None:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return None
    # the last character has spare bits: only the one spelling that `seal` writes is taken
    return raw if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() == text else None
