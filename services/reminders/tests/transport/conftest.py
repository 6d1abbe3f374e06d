"""What is called over gRPC, by an administrator."""

from collections.abc import Iterator

import pytest
from entered import enter
from reminder_house import House

from kit.rpc import context
from reminders.transport.rpc import RemindersServicer


@pytest.fixture
def desk(house: House) -> Iterator[RemindersServicer]:
    token = context.become(None)
    enter(house)
    yield RemindersServicer(house.desk)
    context.unbecome(token)
