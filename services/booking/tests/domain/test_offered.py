"""What was offered with a slot, packed into its token, and the version of policy."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from booking.domain import offered
from booking.domain.campaign import Campaign
from booking.domain.decision import Channel, chooser, policy_version
from booking.domain.package import Package
from booking.domain.parameters import Parameters
from kit.parameters import Scope

slots = st.builds(
    offered.slot,
    st.text("0123456789abcdef_", min_size=1, max_size=64),
    st.integers(0, 4_000_000_000),
    st.integers(-90_000, 2**40),
    st.one_of(st.none(), st.integers(0, 3)),
)


@given(st.lists(slots, max_size=50))
def test_each_token_of_a_page_tells_the_page(shown: list[offered.OfferedSlot]) -> None:
    packed = offered.page(shown)
    assert len(packed) == len(shown)
    for number, each in enumerate(packed, 1):
        found = offered.read(each)
        assert found == (len(shown), number, tuple(shown[: offered.MOST]))
        assert len(each) <= 3 + 19 * offered.MOST


def test_no_bytes_are_no_page() -> None:
    assert offered.read(b"") is None


def test_an_agent_is_found_by_its_mark_alone() -> None:
    mark = offered.slot("agt_1", 0, 0, 1)
    assert mark.agent == offered.agent_mark("agt_1") != offered.agent_mark("agt_2")
    assert b"agt" not in offered.page([mark])[0]


CAMPAIGN = Campaign("cmp_1", "Solar", Package(1), ("pv",), "Europe/Rome", timedelta(minutes=5), ())
NOTHING = Parameters({})


def test_the_version_of_policy_is_equal_for_equal_policy_alone() -> None:
    one = Parameters({"lead_time": {Scope.TENANT: "7200"}, "reveal_agent": {Scope.CAMPAIGN: "false"}})
    same = Parameters({"reveal_agent": {Scope.CAMPAIGN: "false"}, "lead_time": {Scope.TENANT: "7200"}})
    moved = Parameters({"lead_time": {Scope.CAMPAIGN: "7200"}, "reveal_agent": {Scope.CAMPAIGN: "false"}})
    versions = [policy_version(each, CAMPAIGN) for each in (NOTHING, one, moved)]
    assert policy_version(one, CAMPAIGN) == policy_version(same, CAMPAIGN)
    assert len({*versions, policy_version(NOTHING)}) == 4


def test_who_acts_and_how() -> None:
    told = {
        ("usr_1", ("OPERATOR", "PARTNER"), None): Channel.OPERATOR,
        ("usr_1", ("PARTNER",), None): Channel.PARTNER,
        ("usr_1", ("CUSTOMER",), None): Channel.CUSTOMER,
        ("usr_1", ("OPERATOR",), "gateway"): Channel.OPERATOR,
        ("geodialing", ("SERVICE",), "geodialing"): Channel.SERVICE,
        ("usr_1", (), None): Channel.OPERATOR,
    }
    assert {who: chooser(*who).channel for who in told} == told
    assert chooser("usr_1", {"OPERATOR", "AGENT"}, None).roles == ("AGENT", "OPERATOR")
