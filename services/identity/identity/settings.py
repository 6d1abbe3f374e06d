"""What identity is told by its environment; the only place that names it."""

from datetime import timedelta
from typing import ClassVar

from pydantic import Field

from kit.settings import ServiceSettings


class IdentitySettings(ServiceSettings):
    """Settings of the identity service; a field `x` is GIRO_IDENTITY_X or GIRO_X."""

    service: ClassVar[str] = "identity"

    signing_key_file: str = ""
    """File with the Ed25519 key (a private JWK) that tokens are signed with; `keys` makes it."""
    token_lifetime_seconds: int = Field(900, ge=60, le=3600)
    """How long a token works."""
    sign_in_failures: int = Field(10, ge=1, le=1000)
    """Wrong passwords within the window after which an e-mail address has to wait."""
    sign_in_window_seconds: int = Field(900, ge=1, le=86_400)
    """Length of that window, from the first wrong password."""
    password_workers: int = Field(2, ge=1, le=64)
    """Passwords that are hashed at the same time; each takes 19 MiB and about 40 ms of one core."""

    @property
    def token_lifetime(self) -> timedelta:
        """How long a token works."""
        return timedelta(seconds=self.token_lifetime_seconds)
