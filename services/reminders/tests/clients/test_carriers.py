"""Settings choose the carriers, and what they lack is named."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from rigs import TENANT, Clock, Phone, Told, call, until
from twilio_peer import TwilioPeer
from twilio_rig import OWN

from kit.settings import SettingsError
from kit.testing.ports import free_port
from reminders.app import webhooks
from reminders.clients import sip
from reminders.clients.carriers import Carriers, NobodySends, carriers
from reminders.clients.journal import MemoryJournal
from reminders.clients.sip import SipVoice
from reminders.clients.sms import SmsProvider
from reminders.clients.smtp import SmtpProvider
from reminders.clients.twilio import TwilioVoice
from reminders.settings import Settings
from reminders.usecases.ports import CallState, Declined, Message

TWILIO = {
    "voice_provider": "twilio",
    "twilio_account": OWN.sid,
    "twilio_token": OWN.token,
    "webhook_url": "http://127.0.0.1:1/hooks",
}


def chosen(**values: Any) -> Carriers:
    return carriers(Settings(**values), Told(), MemoryJournal(), Clock())


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({}, "VOICE_PROVIDER is not set"),
        ({"voice_provider": "simulated"}, "GIRO_SANDBOX"),
        ({"voice_provider": "twilio", "sandbox": True}, "GIRO_SANDBOX"),
        ({**TWILIO, "twilio_account": ""}, "TWILIO_ACCOUNT"),
        ({**TWILIO, "twilio_token": ""}, "TWILIO_TOKEN"),
        ({**TWILIO, "webhook_url": ""}, "WEBHOOK_URL"),
        ({"voice_provider": "sip"}, "SIP_HOST"),
        ({"voice_provider": "sip", "sip_host": "x", "sms_sender": "Giro"}, "TWILIO_ACCOUNT"),
        ({**TWILIO, "smtp_host": "mx"}, "SMTP_SENDER"),
    ],
)
def test_what_is_missing_is_named(values: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        chosen(**values)


def test_sip_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sip, "installed", lambda: False)
    with pytest.raises(SettingsError, match="sip"):
        chosen(voice_provider="sip", sip_host="sip.example.org")
    monkeypatch.setattr(sip, "installed", lambda: True)
    assert isinstance(chosen(voice_provider="sip", sip_host="sip.example.org").voice, SipVoice)


def test_secrets_are_not_shown() -> None:
    settings = Settings(**TWILIO, sip_password="sip-secret", smtp_password="smtp-secret")
    assert OWN.token not in repr(settings)
    assert "secret" not in repr(settings)


def test_messages_have_carriers_of_their_own() -> None:
    made = chosen(**TWILIO, sms_sender="+37167000000", smtp_host="mx", smtp_sender="r@example.org")
    assert isinstance(made.voice, TwilioVoice)
    assert isinstance(made.sms, SmsProvider)
    assert isinstance(made.email, SmtpProvider)


@pytest.mark.asyncio
async def test_a_channel_that_is_not_set_up_declines() -> None:
    made = chosen(**TWILIO)
    assert isinstance(made.email, NobodySends)
    for provider, named in ((made.email, "SMTP_HOST"), (made.sms, "SMS_SENDER")):
        with pytest.raises(Declined, match=named):
            await provider.send(Message("msg_1", TENANT, "x", "lv", "", "text"))
    await made.close()


@pytest_asyncio.fixture
async def peer() -> AsyncIterator[TwilioPeer]:
    """Twilio, as the settings name it."""
    from datetime import UTC, datetime

    made = TwilioPeer(Clock(datetime.now(UTC)), OWN.sid, OWN.token)
    yield made
    await made.stop()
    assert made.faults == []


@pytest.mark.asyncio
async def test_a_call_by_the_settings_alone(peer: TwilioPeer) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    settings = Settings(**TWILIO | {"webhook_url": address}, twilio_url=await peer.start(), webhook_port=port)
    told = Told()
    made = carriers(settings, told, MemoryJournal(), peer.clock)
    server = webhooks(settings, made)
    assert server is not None
    await server.start()
    peer.phones["+37120000001"] = Phone(presses="1")
    rig: Any = type("Rig", (), {"clock": peer.clock})()
    await made.voice.place(call(rig, "+37120000001"))
    await until(lambda: bool(told.reports) and told.reports[-1].state is CallState.ENDED)
    assert told.reports[-1].digit == "1"
    await server.stop()
    await made.close()
