"""Chooses who carries calls and messages, by the settings."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from kit.settings import SettingsError
from reminders.clients import sip, smtp
from reminders.clients.journal import CallJournal
from reminders.clients.sms import SmsProvider
from reminders.clients.twilio import Options, TwilioVoice
from reminders.clients.twilio_api import Account, Accounts, Api
from reminders.settings import CarrierSettings
from reminders.usecases.ports import (
    CallEnding,
    Declined,
    Message,
    MessageProvider,
    Sink,
    VoiceProvider,
)

_VOICE: Final = "GIRO_REMINDERS_VOICE_PROVIDER"

Clock = Callable[[str], Awaitable[datetime]]


@dataclass(frozen=True, slots=True)
class Carriers:
    """Who carries what. `twilio` is there when Twilio carries the calls: it is to be served webhooks."""

    voice: VoiceProvider
    email: MessageProvider
    sms: MessageProvider
    twilio: TwilioVoice | None = None
    api: Api | None = None

    async def close(self) -> None:
        """Hangs up what lives in this process and closes connections."""
        if isinstance(self.voice, sip.SipVoice):
            await self.voice.stop()
        if self.api is not None:
            await self.api.close()


class NobodySends:
    """A message provider for a channel that is not set up: it declines, and says so."""

    def __init__(self, variable: str) -> None:
        """Takes the variable that would set it up."""
        self._variable = variable

    async def send(self, message: Message) -> None:
        """See MessageProvider."""
        raise Declined(CallEnding.FAILED, f"{self._variable} is not set")


def carriers(settings: CarrierSettings, sink: Sink, journal: CallJournal, clock: Clock) -> Carriers:
    """Real carriers. Raises SettingsError, naming the variable, for what is missing or is the sandbox's."""
    if settings.sandbox:
        raise SettingsError(f"{_VOICE}: the sandbox calls nobody (GIRO_SANDBOX)")
    api = _twilio(settings) if settings.voice_provider == "twilio" or settings.sms_sender else None
    email, sms = _email(settings), _sms(settings, api)
    match settings.voice_provider:
        case "twilio":
            settings.require("webhook_url")
            assert api is not None
            voice = TwilioVoice(sink, journal, api, clock, Options(settings.webhook_url))
            return Carriers(voice, email, sms, voice, api)
        case "sip":
            return Carriers(sip.SipVoice(sink, journal, clock, _trunk(settings)), email, sms, api=api)
        case "simulated":
            raise SettingsError(f"{_VOICE}: simulated is for the sandbox (GIRO_SANDBOX)")
        case "":
            raise SettingsError(
                "GIRO_REMINDERS_VOICE_PROVIDER is not set: outside the sandbox calls need one"
            )


def _twilio(settings: CarrierSettings) -> Api:
    settings.require("twilio_account", "twilio_token")
    accounts = Accounts(Account(settings.twilio_account, settings.twilio_token))
    return Api(accounts, timeout=settings.twilio_timeout, host=settings.twilio_url)


def _sms(settings: CarrierSettings, api: Api | None) -> MessageProvider:
    if not settings.sms_sender or api is None:
        return NobodySends("GIRO_REMINDERS_SMS_SENDER")
    return SmsProvider(api, settings.sms_sender)


def _email(settings: CarrierSettings) -> MessageProvider:
    if not settings.smtp_host:
        return NobodySends("GIRO_REMINDERS_SMTP_HOST")
    settings.require("smtp_sender")
    return smtp.SmtpProvider(
        smtp.Server(
            host=settings.smtp_host,
            port=settings.smtp_port,
            sender=settings.smtp_sender,
            username=settings.smtp_username,
            password=settings.smtp_password,
            start_tls=settings.smtp_start_tls,
        )
    )


def _trunk(settings: CarrierSettings) -> sip.Trunk:
    settings.require("sip_host")
    if not sip.installed():
        raise SettingsError(f"{_VOICE}: sip needs giro-reminders[sip] and espeak-ng, and one is missing")
    return sip.Trunk(
        host=settings.sip_host,
        address=settings.sip_address,
        proxy=settings.sip_proxy,
        username=settings.sip_username,
        password=settings.sip_password,
        lines=settings.sip_lines,
    )
