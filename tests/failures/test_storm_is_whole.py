"""Every way to write to booking is in the storm, or it is said here why it is not."""

from collections.abc import Iterator
from types import CodeType, FunctionType

from tests.contracts.requests import RPCS, SERVICES
from tests.failures.test_storm import Storm
from tests.world import World

READING = (
    "Download",
    "Explain",
    "Get",
    "List",
    "Propose",
    "Search",
    "Stream",
    "Suggest",
    "Validate",
    "Verify",
)

ONE_ROW = "writes rows of its own, that no other way to write decides by"
SET_UP = "is set up before people write: the storm itself is made by it"
NOT_IN_THE_STORM = {
    "CreateCampaign": SET_UP,
    "ImportContacts": SET_UP,
    "ImportParameters": SET_UP,
    "UpsertOutcomeState": SET_UP,
    "UpsertProcedure": SET_UP,
    "SetParameter": "policy: its writers meet in test_policy_writers.py",
    "UpsertCharacteristic": "policy: its writers meet in test_policy_writers.py",
    "UpsertListState": "policy: its writers meet in test_policy_writers.py",
    "UpsertRefixMode": "policy: its writers meet in test_policy_writers.py",
    "UpdateContact": ONE_ROW,
    "RecordAgentContact": ONE_ROW,
    "RotateCalendarFeed": ONE_ROW,
    "RevokeCalendarFeed": ONE_ROW,
    "SetSupportContact": ONE_ROW,
    "UploadDocument": "locks its card alone: meets the card's locking in test_two_sessions.py",
}


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _used_by(thing: type) -> set[str]:
    functions = [found for found in vars(thing).values() if isinstance(found, FunctionType)]
    return {name for function in functions for name in _names(function.__code__)}


def test_every_way_to_write_is_in_the_storm_or_is_left_out_for_a_reason() -> None:
    acts = _used_by(Storm)
    words = {name for name, found in vars(World).items() if isinstance(found, FunctionType) and name in acts}
    called = acts | {name for word in words for name in _names(vars(World)[word].__code__)}
    ours = {rpc.method for rpc in RPCS.values() if SERVICES[rpc.service] == "booking"}
    writing = {method for method in ours if not method.startswith(READING)}
    assert writing - called == NOT_IN_THE_STORM.keys()
