"""What reminders is told by its environment; the only place that names it."""

from typing import ClassVar, Literal

from pydantic import Field

from kit.settings import ServiceSettings


class CarrierSettings(ServiceSettings):
    """Who carries calls and messages outside of the sandbox."""

    voice_provider: Literal["", "simulated", "twilio", "sip"] = ""
    """Who places calls; empty: the simulated carrier in the sandbox, and nothing starts outside of it."""

    twilio_account: str = ""
    """Twilio's account, AC and 32 hex digits; calls and text messages run on it."""
    twilio_token: str = Field("", repr=False)
    """The account's secret; it signs Twilio's webhooks too."""
    twilio_url: str = "https://api.twilio.com"
    """Where Twilio is asked."""
    twilio_timeout: float = Field(10.0, gt=0, le=30)
    """Seconds to wait for one answer of Twilio; longer means that its outcome is unknown."""
    sms_sender: str = ""
    """E.164 number or name that text messages come from; empty: none are sent."""
    webhook_url: str = ""
    """Where Twilio reaches the webhooks, as in https://voice.example.org/in; a proxy takes its path off."""
    webhook_port: int = Field(0, ge=0, le=65535)
    """Port of the webhooks' HTTP server; 0 takes any free one."""

    sip_host: str = ""
    """host or host:port of the SIP trunk."""
    sip_address: str = ""
    """Local address for SIP and its sound; any when empty."""
    sip_proxy: str = ""
    """SIP URI of an outbound proxy, if any."""
    sip_username: str = ""
    """Name that the trunk knows us by, if it asks."""
    sip_password: str = Field("", repr=False)
    """Its secret."""
    sip_lines: int = Field(10, ge=1, le=500)
    """Calls over SIP at the same time."""

    smtp_host: str = ""
    """Mail server; empty: no e-mail is sent."""
    smtp_port: int = Field(587, ge=1, le=65535)
    """Its port."""
    smtp_sender: str = ""
    """Address that e-mails come from."""
    smtp_username: str = ""
    """Name that the mail server knows us by, if it asks."""
    smtp_password: str = Field("", repr=False)
    """Its secret."""
    smtp_start_tls: bool = True
    """Whether nothing is said before the connection is encrypted; off for a server on the same machine."""


class Settings(CarrierSettings):
    """GIRO_<FIELD>, or GIRO_REMINDERS_<FIELD> where reminders differs from the other services."""

    service: ClassVar[str] = "reminders"

    booking_target: str = "127.0.0.1:8412"
    """host:port of booking."""
    make_every: float = Field(0.2, gt=0, le=60)
    """Seconds between two looks for reminders that are due, when the last one found few."""
    look_up_every: float = Field(2.0, gt=0, le=600)
    """Seconds between two looks for calls that are in doubt."""
    lease: float = Field(30.0, ge=1, le=600)
    """Seconds from a claim to its attempt's row, after which another worker may claim the same."""
    give_up: float = Field(20.0, ge=1, le=600)
    """Seconds from an attempt's row after which its call must not begin to ring any more."""
    look_up_for: float = Field(6 * 3600, ge=600, le=7 * 24 * 3600)
    """Seconds from an attempt's row after which a call of unknown end is left so, and never repeated."""
    at_once: int = Field(32, ge=1, le=1000)
    """Reminders that one process has in hand at a time."""
    pool_size: int = Field(16, ge=2, le=200)
    """Connections to PostgreSQL."""
