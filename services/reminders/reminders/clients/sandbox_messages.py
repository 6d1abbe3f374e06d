"""E-mails and text messages of the sandbox: kept to be looked at, sent to nobody."""

from kit.db.engine import Database
from reminders.storage import played
from reminders.storage.played import SandboxMessage
from reminders.usecases.ports import Message


class KeptMessages:
    """A message provider that keeps."""

    def __init__(self, db: Database) -> None:
        """Raises ValueError outside the sandbox."""
        if not db.sandbox:
            raise ValueError("messages are only kept in the sandbox (GIRO_SANDBOX)")
        self._db = db

    async def send(self, message: Message) -> None:
        """See MessageProvider."""
        async with self._db.uow(message.tenant) as tx:
            kept = SandboxMessage(message.to, message.language, message.subject, message.body, await tx.now())
            await played.keep(tx, message.reference, kept)
