"""Slot tokens and page tokens: what was sealed comes back, anything else is refused."""

import base64
import struct
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking.domain.pages import PageTokens
from booking.domain.seal import Sealer
from booking.domain.slot_token import SlotTokens, SuggestedSlot
from kit.errors import GiroError, InvalidInput, Reason, RuleViolated
from kit.values.latlng import LatLng

TOKENS = SlotTokens(b"k" * 32)
PAGES = PageTokens(b"k" * 32)

places = st.builds(LatLng, st.floats(-90, 90), st.floats(-180, 180)).map(lambda place: place.key)
ids = st.text("0123456789abcdef_", min_size=1, max_size=64)
instants = st.integers(0, 4_000_000_000)
slots = st.builds(
    lambda campaign, agent, start, length, place, issued, certificate, hidden: SuggestedSlot(
        campaign, agent, start, start + length, place, issued, certificate, hidden
    ),
    ids,
    ids,
    instants,
    st.integers(60, 86_400),
    places,
    instants,
    st.binary(max_size=256),
    st.booleans(),
)


@given(slots)
def test_a_token_says_what_it_was_made_of(slot: SuggestedSlot) -> None:
    slot = slot._replace(postcode="1050 ÅB", offered=b"page")
    token = TOKENS.write("ten_1", slot)
    assert TOKENS.read("ten_1", token) == slot
    assert len(token) <= 2048
    assert slot.point.key == slot.place


@given(slots, st.binary(max_size=64))
def test_a_token_of_before_a_rollout_is_read_after_it(slot: SuggestedSlot, offered: bytes) -> None:
    """Formats 3 (no page, no postcode) and 4 (no postcode), laid out as they were written."""
    ids = slot.campaign_id.encode(), slot.agent_id.encode()
    said = slot.hidden, slot.issued_at, slot.start, slot.end, slot.place, *map(len, ids)
    third = struct.pack(">B?qqqQBB", 3, *said) + b"".join(ids) + slot.certificate
    fourth = struct.pack(">B?qqqQBBH", 4, *said, len(offered)) + b"".join(ids) + offered + slot.certificate
    sealer = Sealer(b"k" * 32, "giro slot token")
    assert TOKENS.read("ten_1", sealer.seal("ten_1", third)) == slot
    assert TOKENS.read("ten_1", sealer.seal("ten_1", fourth)) == slot._replace(offered=offered)


@pytest.mark.parametrize("number", [0, 2, 6])
def test_a_token_of_an_unknown_format_is_none(number: int) -> None:
    sealed = Sealer(b"k" * 32, "giro slot token").seal("ten_1", bytes([number]) + bytes(80))
    assert _refused(sealed)


@given(slots)
def test_another_tenant_or_another_key_cannot_read_it(slot: SuggestedSlot) -> None:
    token = TOKENS.write("ten_1", slot)
    for reader, tenant in ((TOKENS, "ten_2"), (SlotTokens(b"j" * 32), "ten_1")):
        with pytest.raises(RuleViolated) as refused:
            reader.read(tenant, token)
        assert refused.value.reason is Reason.SLOT_TOKEN_INVALID
        assert [violation.field for violation in refused.value.violations] == ["slot_token"]


@given(slots, st.data())
def test_no_altered_token_is_read(slot: SuggestedSlot, data: st.DataObject) -> None:
    token = TOKENS.write("ten_1", slot)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters(codec="utf-8").filter(lambda letter: letter != token[place]))
    for altered in (token[:place] + other + token[place + 1 :], token[:place], token + other):
        assert altered == token or _refused(altered)


@given(
    st.text(max_size=300) | st.binary(max_size=300).map(lambda raw: base64.urlsafe_b64encode(raw).decode())
)
def test_no_made_up_token_is_read(text: str) -> None:
    assert _refused(text)


def test_the_spare_bits_of_the_last_letter_are_not_free() -> None:
    sealer = Sealer(b"k" * 32, "test")
    token = sealer.seal("ten_1", b"abc")  # 31 bytes: the last letter has spare bits
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    opened = [last for last in alphabet if sealer.open("ten_1", token[:-1] + last) is not None]
    assert opened == [token[-1]]


@given(slots)
def test_nobody_reads_a_token_without_the_key(slot: SuggestedSlot) -> None:
    """Neither the agent nor any other part of it stands in the text, and no two tokens are alike (GEO-09)."""
    sealer = Sealer(b"k" * 32, "test")
    secret = b"agent-" + slot.agent_id.encode()
    one, two = sealer.seal("ten_1", secret), sealer.seal("ten_1", secret)
    raw = [base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)) for text in (one, two)]
    assert secret not in raw[0]
    assert raw[0][12:] != raw[1][12:]
    assert sealer.open("ten_1", one) == sealer.open("ten_1", two) == secret


def test_a_token_of_another_purpose_is_none() -> None:
    page = PAGES.write("ten_1", ("campaigns",), ("cmp_1",))
    assert _refused(page)


def test_a_token_expires_at_its_age() -> None:
    issued = datetime(2027, 1, 1, tzinfo=UTC)
    slot = SuggestedSlot("cmp_1", "agt_1", 0, 60, LatLng(1, 1).key, int(issued.timestamp()))
    ttl = timedelta(minutes=30)
    slot.require_fresh(issued + ttl - timedelta(microseconds=1), ttl)
    with pytest.raises(RuleViolated) as refused:
        slot.require_fresh(issued + ttl, ttl)
    assert refused.value.reason is Reason.SLOT_TOKEN_EXPIRED
    assert refused.value.metadata == {"expired_at": "2027-01-01T00:30:00+00:00"}


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        SlotTokens(b"short")


@given(st.lists(st.integers() | st.text(max_size=60), max_size=3))
def test_a_page_goes_on_where_it_ended(position: list[int | str]) -> None:
    token = PAGES.write("ten_1", ("appointments", "cmp_1"), tuple(position))
    assert PAGES.read("ten_1", ("appointments", "cmp_1"), token) == tuple(position)


@pytest.mark.parametrize("query", [("appointments", ""), ("campaigns",), ("appointments\0cmp_1", "")])
def test_a_page_token_of_another_list_is_refused(query: tuple[str, ...]) -> None:
    token = PAGES.write("ten_1", ("appointments", "cmp_1"), (1, "apt_1"))
    for tenant, asked, text in (
        ("ten_1", query, token),
        ("ten_2", ("appointments", "cmp_1"), token),
        ("ten_1", ("appointments", "cmp_1"), token[:-2]),
        ("ten_1", ("appointments", "cmp_1"), "garbage"),
        ("ten_1", ("appointments", "cmp_1"), "ü"),
    ):
        with pytest.raises(InvalidInput) as refused:
            PAGES.read(tenant, asked, text)
        assert [violation.field for violation in refused.value.violations] == ["page_token"]


def _refused(text: str) -> bool:
    try:
        TOKENS.read("ten_1", text)
    except GiroError as refused:
        return refused.reason is Reason.SLOT_TOKEN_INVALID
    return False
