"""Sealed bytes: what goes out to callers and has to come back unchanged, as base64url text.

The seal is HMAC-SHA256 over the purpose, the tenant and the payload; the tenant itself is not in the text, so
what was sealed for one tenant is a forgery to every other.
"""

import base64
import binascii
import hashlib
import hmac

_MAC = hashlib.sha256().digest_size


class Sealer:
    """Seals and opens for one purpose. Raises ValueError for a key shorter than 32 bytes."""

    def __init__(self, key: bytes, purpose: str) -> None:
        if len(key) < 32:
            raise ValueError("the key of a seal needs at least 32 bytes")
        self._key = hmac.digest(key, purpose.encode(), "sha256")

    def seal(self, tenant: str, payload: bytes) -> str:
        """The payload and its seal in text that URLs and headers take as it is."""
        return base64.urlsafe_b64encode(payload + self._mac(tenant, payload)).rstrip(b"=").decode()

    def open(self, tenant: str, text: str) -> bytes | None:
        """The payload, or None when this text was not sealed with this key for this tenant and purpose."""
        raw = _decoded(text)
        if raw is None or len(raw) < _MAC:
            return None
        payload, mac = raw[:-_MAC], raw[-_MAC:]
        return payload if hmac.compare_digest(mac, self._mac(tenant, payload)) else None

    def _mac(self, tenant: str, payload: bytes) -> bytes:
        return hmac.digest(self._key, tenant.encode() + b"\0" + payload, "sha256")


def _decoded(text: str) -> bytes | None:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return None
    # the last character has spare bits: only the one spelling that `seal` writes is taken
    return raw if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() == text else None
