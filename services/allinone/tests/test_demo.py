"""The demo before it is loaded: the same for the same seed, in real towns, keeping the promise."""

import math
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from allinone.demo import messages, places, roads, tenants
from allinone.demo.days import DAYS, booked_days
from allinone.demo.ids import DemoIds, FreeContact, SignIn, TenantIds
from allinone.demo.model import DemoAgent, DemoTenant, DemoVisit
from allinone.demo.region import TURIN, Bounds, Region, around_turin, within
from allinone.demo.seed import SEED, request_id
from allinone.errors import StartFailed
from giro.common.v1 import travel_pb2
from kit.values.latlng import LatLng, haversine_m

FIRST_DAY = date(2026, 11, 23)
ROME = ZoneInfo("Europe/Rome")


@pytest.fixture(scope="module")
def region() -> Region:
    return around_turin()


@pytest.fixture(scope="module")
def tenant(region: Region) -> DemoTenant:
    return tenants.first_tenant(SEED, region, places.no_snap)


@pytest.fixture(scope="module")
def visits(tenant: DemoTenant) -> list[DemoVisit]:
    return booked_days(SEED, tenant, FIRST_DAY)


def test_towns_are_real(region: Region) -> None:
    """Names and coordinates as anybody can look them up."""
    known = {town.name: town.centre for town in region.towns}

    assert haversine_m(known["Moncalieri"], LatLng(44.9997, 7.6822)) < 2_000
    assert haversine_m(known["Rivoli"], LatLng(45.0706, 7.5150)) < 2_000
    assert all(haversine_m(TURIN, town.centre) <= 22_000 for town in region.towns)
    assert region.time_zone == "Europe/Rome"


def test_the_first_tenant_has_what_it_should(tenant: DemoTenant) -> None:
    assert len(tenant.agents) == 20
    assert [len(campaign.contacts) for campaign in tenant.campaigns] == [1_200, 800]
    assert {user.role for user in tenant.users} == {
        "ADMINISTRATOR",
        "PROJECT_MANAGER",
        "OPERATOR",
        "AGENT",
        "AGENT_SUPERVISOR",
        "CUSTOMER",
        "SRE",
        "PARTNER",
    }
    assert [user.campaign for user in tenant.users if user.role == "OPERATOR"] == [None, "solar"]
    assert all(user.email.endswith(".example") for user in tenant.users)  # nobody's mailbox (RFC 2606)
    shifts = {(shift.start, shift.end) for agent in tenant.agents for shift in agent.shifts}
    assert ("09:00", "13:00") in shifts
    assert any(end > "22:00" for _, end in shifts)


def test_nobody_real_can_be_called(tenant: DemoTenant) -> None:
    """No Italian number begins with 00."""
    assert all(contact.phone.startswith("+3900") for contact in tenants.all_contacts(tenant))


def test_people_live_near_the_town_of_their_address(tenant: DemoTenant, region: Region) -> None:
    towns = {town.name: town for town in region.towns}
    for contact in tenants.all_contacts(tenant):
        town = towns[contact.address.rsplit(", ", 1)[1]]
        assert haversine_m(contact.point, town.centre) <= town.radius_m * 1.01


def test_equal_seeds_give_equal_demos(region: Region, tenant: DemoTenant, visits: list[DemoVisit]) -> None:
    again = tenants.first_tenant(SEED, region, places.no_snap)

    assert again == tenant
    assert booked_days(SEED, again, FIRST_DAY) == visits
    assert tenants.first_tenant(SEED + 1, region, places.no_snap) != tenant


def test_request_ids_are_the_same_in_every_run() -> None:
    assert request_id(1, "agent", "a01") == request_id(1, "agent", "a01")
    assert request_id(1, "agent", "a01") != request_id(2, "agent", "a01")
    assert 8 <= len(request_id(1, "agent", "a01")) <= 64


def test_the_booked_days_keep_the_promise(tenant: DemoTenant, visits: list[DemoVisit]) -> None:
    """Recomputed from the visits alone: base, drives, buffers, breaks, shift ends."""
    agents = {agent.key: agent for agent in tenant.agents}
    buffers = {campaign.key: campaign.buffer for campaign in tenant.campaigns}
    pairs = 0
    for (key, day), round_ in _rounds(visits).items():
        agent = agents[key]
        start, end, rest = _shift(agent, day)
        chain = [_Stop(start, start, agent.base, timedelta(0))]
        chain += [
            _Stop(visit.start, visit.end, visit.contact.point, max(agent.buffer, buffers[visit.campaign]))
            for visit in round_
        ]
        if agent.returns_to_base:
            chain.append(_Stop(end, end, agent.base, timedelta(0)))
        for before, after in pairwise(_with_rest(chain, rest)):
            pairs += 1
            assert before.end + _bound(before.place, after.place, agent.mode) + after.buffer <= after.start
        assert round_[-1].end <= end
    assert pairs > len(visits)


def test_one_agent_rides_a_bicycle(tenant: DemoTenant, visits: list[DemoVisit]) -> None:
    (rider,) = [agent for agent in tenant.agents if agent.mode == "BICYCLE"]
    rides = [visit for visit in visits if visit.agent == rider.key]
    assert len(rides) >= 10  # one a working day, at least
    assert _bound(rider.base, rides[0].contact.point, "BICYCLE") > timedelta(minutes=40)
    assert messages.agent(SEED, rider, "Europe/Rome").travel_mode == travel_pb2.TRAVEL_MODE_BICYCLE


def test_days_are_full_but_not_crammed(tenant: DemoTenant, visits: list[DemoVisit]) -> None:
    """Four visits a day or more for nearly every agent who works whole days."""
    full_time = {agent.key for agent in tenant.agents if agent.visits_a_day[0] == 4}
    sizes = Counter(
        len(round_)
        for (agent, day), round_ in _rounds(visits).items()
        if agent in full_time and day.isoweekday() <= 5
    )

    assert sum(count for size, count in sizes.items() if size >= 4) >= 0.95 * sum(sizes.values())
    assert 750 <= len(visits) <= 1_000
    days = {visit.start.astimezone(ROME).date() for visit in visits}
    assert (min(days), max(days)) == (FIRST_DAY, FIRST_DAY + timedelta(days=DAYS - 2))  # the 14th is a Sunday


def test_nobody_is_visited_twice_or_by_somebody_without_the_skill(
    tenant: DemoTenant, visits: list[DemoVisit]
) -> None:
    agents = {agent.key: agent for agent in tenant.agents}
    campaigns = {campaign.key: campaign for campaign in tenant.campaigns}

    assert max(Counter(visit.contact.key for visit in visits).values()) == 1
    for visit in visits:
        campaign = campaigns[visit.campaign]
        assert visit.agent in campaign.agents
        assert set(campaign.skills) <= set(agents[visit.agent].skills)
        assert visit.contact in campaign.contacts


def test_mixed_agendas_and_a_trainee_exist(tenant: DemoTenant, visits: list[DemoVisit]) -> None:
    by_agent = defaultdict(set)
    for visit in visits:
        by_agent[visit.agent].add(visit.campaign)

    assert {"solar", "heating"} in by_agent.values()
    assert by_agent["a14"] == {"heating"}
    assert "a14" in tenant.campaigns[0].agents


@pytest.mark.parametrize("first_day", [date(2026, 10, 19), date(2027, 3, 22)])
def test_wall_times_hold_across_the_change_of_summer_time(tenant: DemoTenant, first_day: date) -> None:
    """The shift begins at the same wall time before and after."""
    agents = {agent.key: agent for agent in tenant.agents}
    for visit in booked_days(SEED, tenant, first_day):
        local = visit.start.astimezone(ROME)
        start, end, _ = _shift(agents[visit.agent], local.date())
        assert start <= visit.start
        assert visit.end <= end


def test_the_second_tenant_shares_nothing(region: Region, tenant: DemoTenant) -> None:
    neighbour = tenants.second_tenant(SEED, region, places.no_snap)

    assert (len(neighbour.agents), len(neighbour.campaigns), len(neighbour.campaigns[0].contacts)) == (
        2,
        1,
        20,
    )
    assert {user.email for user in neighbour.users}.isdisjoint(user.email for user in tenant.users)
    assert {agent.key for agent in neighbour.agents}.isdisjoint(agent.key for agent in tenant.agents)


# --- the file -----------------------------------------------------------------------------------------------


def test_the_file_reads_as_it_was_written(tmp_path: Path) -> None:
    contact = FreeContact("cnt_1", "cmp_1", "Giulia", "Via Roma 1", 45.0, 7.6)
    ids = DemoIds(
        gateway_url="http://127.0.0.1:8480",
        grpc_target="127.0.0.1:8480",
        seed=SEED,
        region="Turin",
        travel="estimate",
        first_day="2026-11-23",
        last_day="2026-12-06",
        booked=900,
        users={"operator": SignIn("o@giro.example", "giro-demo-operator", "OPERATOR", "Olga", "ten_1")},
        tenants={
            "voce": TenantIds(
                "ten_1", "Voce", "Europe/Rome", {"solar": "cmp_1"}, {"a01": "agt_1"}, {}, (contact,)
            )
        },
        metrics={},
    )
    file = tmp_path / "deep" / "demo.json"
    ids.write(file)

    assert DemoIds.read(file) == ids
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"users": {}, "tenants": {}}'])
def test_a_damaged_file_counts_as_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "demo.json"
    file.write_text(text)

    assert DemoIds.read(file) is None


# --- real roads ---------------------------------------------------------------------------------------------


class FlatIndex:
    """Roads everywhere within `reach_m` metres of a place."""

    def __init__(self, around: LatLng, reach_m: float) -> None:
        self._around, self._reach = around, reach_m

    def nearest(self, place: LatLng) -> LatLng | None:
        return place if haversine_m(place, self._around) <= self._reach else self._around


def test_on_a_map_of_another_place_its_own_towns_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    valletta = LatLng(35.8989, 14.5146)
    monkeypatch.setattr(roads, "bounds_of", lambda _: Bounds(35.78, 14.18, 36.09, 14.58))
    chosen = places.choose(tmp_path / "malta.osm.pbf", "base", lambda _: FlatIndex(valletta, 12_000))

    assert chosen.region.time_zone == "Europe/Malta"
    assert "Valletta" in {town.name for town in chosen.region.towns}
    assert all(haversine_m(valletta, town.centre) <= 12_500 for town in chosen.region.towns)
    assert chosen.note == ""


def test_on_a_map_without_known_towns_places_beside_roads_are_taken_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desert = LatLng(23.05, 12.05)
    monkeypatch.setattr(roads, "bounds_of", lambda _: Bounds(23.0, 12.0, 23.1, 12.1))
    chosen = places.choose(tmp_path / "sahara.osm.pbf", "base", lambda _: FlatIndex(desert, 5_000))

    assert len(chosen.region.towns) >= 3
    assert "made-up names" in chosen.note


def test_a_map_without_roads_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roads, "bounds_of", lambda _: Bounds(-40.0, -30.0, -39.9, -29.9))
    with pytest.raises(StartFailed, match="hardly any roads"):
        places.choose(tmp_path / "sea.osm.pbf", "base", lambda _: FlatIndex(LatLng(0, 0), 1))


def test_the_head_of_an_extract_is_read(tmp_path: Path) -> None:
    """A header block as osmium writes it: bounding box in nanodegrees."""
    extract = tmp_path / "a.osm.pbf"
    extract.write_bytes(_pbf_head(west=7.5, east=7.9, north=45.2, south=-44.9))
    bounds = roads.bounds_of(extract)

    assert (bounds.west, bounds.east) == pytest.approx((7.5, 7.9))
    assert (bounds.south, bounds.north) == pytest.approx((-44.9, 45.2))


@pytest.mark.parametrize("content", [b"", b"\x00\x00\x00\x02\xff\xff", b"not a map at all"])
def test_what_is_no_extract_is_named(tmp_path: Path, content: bytes) -> None:
    extract = tmp_path / "broken.osm.pbf"
    extract.write_bytes(content)
    with pytest.raises(StartFailed, match=r"broken\.osm\.pbf"):
        roads.bounds_of(extract)


def test_towns_on_a_map_are_those_inside_it() -> None:
    vaduz = within(Bounds(47.05, 9.47, 47.27, 9.64))

    assert "Vaduz" in {town.name for town in vaduz.towns}
    assert within(Bounds(-40.0, -30.0, -39.9, -29.9)).towns == ()


# --- an independent reckoning -------------------------------------------------------------------------------


class _Stop:
    def __init__(self, start: datetime, end: datetime, place: LatLng, buffer: timedelta) -> None:
        self.start, self.end, self.place, self.buffer = start, end, place, buffer


def _rounds(visits: list[DemoVisit]) -> dict[tuple[str, date], list[DemoVisit]]:
    rounds: dict[tuple[str, date], list[DemoVisit]] = defaultdict(list)
    for visit in sorted(visits, key=lambda visit: visit.start):
        rounds[visit.agent, visit.start.astimezone(ROME).date()].append(visit)
    return rounds


def _shift(agent: DemoAgent, day: date) -> tuple[datetime, datetime, tuple[datetime, datetime] | None]:
    shift = next(shift for shift in agent.shifts if shift.weekday == day.isoweekday())

    def at(wall: str) -> datetime:
        return datetime.fromisoformat(f"{day}T{wall}").replace(tzinfo=ROME).astimezone(UTC)

    rest = (at(shift.rest[0]), at(shift.rest[1])) if shift.rest else None
    return at(shift.start), at(shift.end), rest


def _with_rest(chain: list[_Stop], rest: tuple[datetime, datetime] | None) -> list[_Stop]:
    """A break is taken where the stop before it ends."""
    if rest is None:
        return chain
    before = [stop for stop in chain if stop.start < rest[0]]
    after = [stop for stop in chain if stop.start >= rest[0]]
    return [*before, _Stop(*rest, before[-1].place, timedelta(0)), *after]


def _bound(origin: LatLng, to: LatLng, mode: str) -> timedelta:
    """600 s and 120 s a kilometre by car, 2400 s and 1500 s by bicycle, on the sphere of the spherical law of
    cosines."""
    if origin == to:
        return timedelta(0)
    a, b = (math.radians(place.lat) for place in (origin, to))
    across = math.radians(to.lng - origin.lng)
    cosine = math.sin(a) * math.sin(b) + math.cos(a) * math.cos(b) * math.cos(across)
    start, kilometre = (2400, 1500) if mode == "BICYCLE" else (600, 120)
    return timedelta(seconds=start + kilometre * 6371.0088 * math.acos(min(1.0, cosine)))


def _varint(value: int) -> bytes:
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def _block(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _pbf_head(**degrees: float) -> bytes:
    numbers = {"west": 1, "east": 2, "north": 3, "south": 4}
    box = b""
    for name, value in degrees.items():
        nano = round(value * 1e9)
        box += _varint(numbers[name] << 3) + _varint((nano << 1) ^ (nano >> 63))
    blob = _block(1, _block(1, box))
    head = _block(1, b"OSMHeader") + _varint(3 << 3) + _varint(len(blob))
    return len(head).to_bytes(4, "big") + head + blob
