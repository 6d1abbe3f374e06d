"""The simulated carrier, scripted as the contract's telephones."""

from datetime import timedelta

from rigs import TENANT, Clock, Phone, Told

from reminders.clients.journal import MemoryJournal
from reminders.clients.simulated import Answer, Outcome, ScriptedAnswers, SimulatedCarrier
from reminders.usecases.ports import CallReport


class SimulatedRig:
    """See rigs.Rig."""

    def __init__(self) -> None:
        self.clock, self._sink, self._journal = Clock(), Told(), MemoryJournal()
        self._asked: list[str] = []
        self._answers = ScriptedAnswers(Answer())
        self.provider = SimulatedCarrier(self._sink, self._journal, self, self.clock, sandbox=True)

    @property
    def told(self) -> list[CallReport]:
        return self._sink.reports

    async def phone(self, number: str, phone: Phone) -> None:
        self._answers.script(
            number, Answer(_outcome(phone), phone.presses, timedelta(seconds=2), phone.hangs_up)
        )

    async def next_answer(self, tenant: str, number: str) -> Answer:
        assert tenant == TENANT
        answer = await self._answers.next_answer(tenant, number)
        if answer.outcome not in {Outcome.DOUBTFUL_NOT_PLACED, Outcome.WRONG_NUMBER}:
            self._asked.append(number)
        return answer

    async def settled(self, reference: str) -> None:
        return

    def rings(self, number: str) -> int:
        return self._asked.count(number)

    def heard(self, number: str) -> list[str]:
        return []

    async def told_again(self, reference: str) -> None:
        for report in reversed(self.told.copy()):
            entry = await self._journal.learn(TENANT, report)
            await self._sink(TENANT, entry.report)


def _outcome(phone: Phone) -> Outcome:
    if phone.dead:
        return Outcome.DOUBTFUL_NOT_PLACED
    if phone.reply_lost:
        return Outcome.DOUBTFUL_PLACED
    if phone.machine:
        return Outcome.MACHINE
    if phone.unknown:
        return Outcome.WRONG_NUMBER
    if phone.busy:
        return Outcome.BUSY
    return Outcome.ANSWERED if phone.picks_up else Outcome.NO_ANSWER
