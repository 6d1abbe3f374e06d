"""Text messages through Twilio."""

from typing import Final

from reminders.clients.twilio_api import Api, asked
from reminders.usecases.ports import CallEnding, Declined, Message

_LONGEST: Final = 1600
"""Twilio refuses longer ones."""


class SmsProvider:
    """A message provider. Twilio keeps no reference of ours: a doubtful message is never sent again."""

    def __init__(self, api: Api, sender: str) -> None:
        """`sender` is E.164, or a name that the receiver's country allows."""
        self._api, self._sender = api, sender

    async def send(self, message: Message) -> None:
        """See MessageProvider; the subject is not sent."""
        if not message.body.strip() or len(message.body) > _LONGEST:
            raise Declined(CallEnding.FAILED, f"a text message has 1 to {_LONGEST} characters")
        messages = self._api.of(message.tenant).messages
        await asked(messages.create_async(to=message.to, from_=self._sender, body=message.body))
