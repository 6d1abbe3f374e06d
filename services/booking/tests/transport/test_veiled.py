"""The edge where agents are hidden: campaign by campaign, for whoever may not learn them (GEO-09)."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from booking_house import House

from booking.domain import errors
from booking.transport.veiled import Veiled
from booking.usecases.set_parameter import set_parameter
from giro.booking.v1 import booking_pb2, portal_pb2, refix_pb2, series_pb2
from kit.errors import AlreadyExists, GiroError, NotAllowed, NotFound, Reason, RuleViolated
from kit.rpc.context import Grant
from kit.values.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="session")

AGENT = new_id("agt")


class Answers:
    """A servicer that answers what it was given."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    async def Ask(self, _: Any, __: Any) -> Any:
        """The answer, or the refusal."""
        if isinstance(self._answer, GiroError):
            raise self._answer
        return self._answer

    async def Stream(self, _: Any, __: Any) -> AsyncIterator[Any]:
        """The answer, twice."""
        yield self._answer
        yield self._answer


async def asked(house: House, answer: Any, request: Any = None) -> Any:
    """What the present caller gets."""
    return await Veiled(house.desk, Answers(answer)).Ask(request or portal_pb2.ListToConfirmRequest(), None)


@pytest_asyncio.fixture
async def two(house: House) -> tuple[str, str]:
    """A campaign that hides its agents and one that shows them."""
    hiding, showing = await house.campaign(), await house.campaign()
    await set_parameter(house.desk, "reveal_agent", hiding.campaign_id, "false")
    return hiding.campaign_id, showing.campaign_id


def both(two: tuple[str, str]) -> booking_pb2.ListAppointmentsResponse:
    """A page with an appointment of each."""
    found = booking_pb2.ListAppointmentsResponse()
    for campaign in two:
        made = found.appointments.add(campaign_id=campaign, agent_id=AGENT, note=f"with {AGENT}", version=3)
        made.leg_before.metres = 5
    return found


async def test_each_row_goes_by_its_own_campaign(house: House, two: tuple[str, str]) -> None:
    house.enter(Grant("OPERATOR", "tenant", ""))
    hidden, shown = (await asked(house, both(two))).appointments
    assert (hidden.agent_id, hidden.HasField("leg_before"), hidden.note, hidden.version) == (
        "",
        False,
        "with agt_…",
        3,
    )
    assert (shown.agent_id, shown.HasField("leg_before"), shown.note) == (AGENT, True, f"with {AGENT}")


@pytest.mark.parametrize(
    ("role", "sees"),
    [
        ("ADMINISTRATOR", True),
        ("PROJECT_MANAGER", True),
        ("AGENT_SUPERVISOR", True),
        ("AGENT", True),
        ("OPERATOR", False),
        ("PARTNER", False),
        ("CUSTOMER", False),
    ],
)
async def test_who_sees_agents_whatever_the_campaign_hides(
    house: House, two: tuple[str, str], role: str, sees: bool
) -> None:
    for scope in (Grant(role, "tenant", ""), Grant(role, "campaign", two[0])):
        house.enter(scope)
        assert bool((await asked(house, both(two))).appointments[0].agent_id) is sees


async def test_an_agent_sees_its_own_visits_and_nobody_elses(house: House, two: tuple[str, str]) -> None:
    for own, sees in ((AGENT, True), (new_id("agt"), False)):
        house.enter(Grant("AGENT", "agent", own))
        assert bool((await asked(house, both(two))).appointments[0].agent_id) is sees


async def test_a_stream_is_veiled_part_by_part(house: House, two: tuple[str, str]) -> None:
    house.enter(Grant("PARTNER", "tenant", ""))
    rows = portal_pb2.StreamReportResponse(rows=[portal_pb2.ReportRow(appointment=both(two).appointments[0])])
    request = portal_pb2.StreamReportRequest(campaign_id=two[0])
    parts = [part async for part in Veiled(house.desk, Answers(rows)).Stream(request, None)]
    assert [part.rows[0].appointment.agent_id for part in parts] == ["", ""]


async def test_alternatives_keep_their_times(house: House, two: tuple[str, str]) -> None:
    house.enter(Grant("OPERATOR", "tenant", ""))
    raised = refix_pb2.RefixException(campaign_id=two[0], reason="NO_SKILL", message=f"{AGENT} lacks a skill")
    raised.alternatives.add(agent_id=AGENT).start.seconds = 7
    page = refix_pb2.ListRefixExceptionsResponse(exceptions=[raised])
    (told,) = (await asked(house, page)).exceptions
    assert (told.reason, told.message, told.alternatives[0].agent_id) == ("SLOT_TAKEN", "", "")
    assert told.alternatives[0].start.seconds == 7


async def test_what_belongs_to_no_campaign_is_hidden_from_whoever_some_agent_is_hidden_from(
    house: House, two: tuple[str, str]
) -> None:
    def conflict() -> series_pb2.Series:
        metadata = {"agent_id": AGENT}
        one = series_pb2.SeriesConflict(number=1, reason="TRAVEL_IN", metadata=metadata)
        return series_pb2.Series(conflicts=[one])

    request = series_pb2.GetSeriesRequest(series_id="ser_1")
    for scope, sees in (
        (Grant("OPERATOR", "tenant", ""), False),
        (Grant("OPERATOR", "campaign", two[1]), True),
    ):
        house.enter(scope)
        (told,) = (await asked(house, conflict(), request)).conflicts
        assert told.reason == "TRAVEL_IN"
        assert bool(told.metadata) is sees


@pytest.mark.parametrize(
    ("refusal", "reason", "kind"),
    [
        (errors.agent_not_in_campaign(AGENT), Reason.SLOT_TAKEN, AlreadyExists),
        (
            RuleViolated(Reason.NO_SKILL, "lacks pv", metadata={"skill": "pv"}),
            Reason.SLOT_TAKEN,
            AlreadyExists,
        ),
        (
            RuleViolated(
                Reason.TRAVEL_IN, f"{AGENT} is late", metadata={"agent_id": AGENT, "short_seconds": 9}
            ),
            Reason.TRAVEL_IN,
            RuleViolated,
        ),
        (NotFound(Reason.NOT_FOUND, f"no {AGENT}"), Reason.NOT_FOUND, NotFound),
    ],
)
async def test_a_refusal_tells_nothing(
    house: House, two: tuple[str, str], refusal: GiroError, reason: Reason, kind: type[GiroError]
) -> None:
    house.enter(Grant("OPERATOR", "tenant", ""))
    request = booking_pb2.SuggestSlotsRequest(campaign_id=two[0])
    with pytest.raises(kind) as refused:
        await asked(house, refusal, request)
    assert refused.value.reason is reason
    assert refused.value.metadata == {}
    assert AGENT not in refused.value.message
    with pytest.raises(type(refusal)) as shown:
        await asked(house, refusal, booking_pb2.SuggestSlotsRequest(campaign_id=two[1]))
    assert shown.value is refusal


async def test_the_campaign_of_an_appointment_decides_where_a_request_names_no_other(
    house: House, two: tuple[str, str]
) -> None:
    card = await house.booked()
    await set_parameter(house.desk, "reveal_agent", card.appointment.campaign_id, "true")
    await set_parameter(house.desk, "reveal_agent", "", "false")
    house.enter(Grant("OPERATOR", "tenant", ""))
    request = booking_pb2.ReassignAppointmentRequest(
        appointment_id=card.appointment.appointment_id, agent_id=AGENT
    )
    answer = booking_pb2.Appointment(campaign_id=card.appointment.campaign_id, agent_id=AGENT)
    assert (await asked(house, answer, request)).agent_id == AGENT
    for other in (
        booking_pb2.ReassignAppointmentRequest(appointment_id="apt_of_nobody", agent_id=AGENT),
        booking_pb2.ListAppointmentsRequest(agent_id=AGENT),
        booking_pb2.BookAppointmentRequest(time={"campaign_id": two[0], "agent_id": AGENT}),
    ):
        with pytest.raises(NotAllowed) as refused:
            await asked(house, answer, other)
        assert refused.value.reason is Reason.OUT_OF_SCOPE
