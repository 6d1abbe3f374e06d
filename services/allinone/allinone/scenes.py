"""The played scenes beside booking: a document, a calendar feed, a waiting list's offer, the counters.

One visit more than two weeks ahead, where every agent's day is empty, is booked, documented, cancelled and
taken by somebody who waits for it; that one is cancelled too.
"""

import hashlib
import uuid
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import grpc
import httpx2

from allinone.demo.ids import TenantIds
from allinone.errors import StartFailed
from allinone.telling import SECONDS, Caller, Json, answer, until
from cli import reading
from cli.show import words
from giro.booking.v1 import documents_pb2
from giro.booking.v1.documents_pb2_grpc import DocumentsServiceStub

CAMPAIGN: Final = "heating"
AHEAD: Final = timedelta(days=16)
MORNINGS: Final = 12
FROM, UNTIL = time(10, 30), time(12)
LONG, SHORT = "5400s", "1800s"
"""Who waits needs a third of what becomes free: enough for the drive from anywhere."""

PDF: Final = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"


class Scenes:
    """One visit of the first call centre, and who takes its time."""

    def __init__(self, caller: Caller, home: TenantIds, gateway_url: str) -> None:
        self._caller, self._home = caller, home
        self._target = gateway_url.removeprefix("http://")
        self._campaign = f"/v1/campaigns/{home.campaigns[CAMPAIGN]}"
        free = [each for each in home.free_contacts if each.campaign_id == home.campaigns[CAMPAIGN]]
        self._visited, self._waiting = free[1], free[2]

    async def play(self) -> None:
        """Plays and prints. Raises StartFailed where an answer is not what it has to be."""
        await self._nobody_waits()
        card = await self._book()
        feed = await self._caller.posts(f"/v1/agents/{card['agentId']}/calendarFeed:rotate", _new())
        await self._document(card)
        _require(await _status(feed["url"], card) == "TENTATIVE", "the visit is not in its agent's calendar")
        answer("the agent's calendar program reads it from a secret address: TENTATIVE")
        await self._waits(card)
        await self._caller.posts(f"{_path(card)}:cancel", {"note": "played"})
        _require(await _status(feed["url"], card) == "CANCELLED", "the calendar keeps a cancelled visit")
        answer("the same calendar shows it CANCELLED; somebody waits for such a time:")
        await self._accept(card)
        await self._count()
        await self._caller.calls("DELETE", f"/v1/agents/{card['agentId']}/calendarFeed", None)
        _require(await _gone(feed["url"]), "a revoked address still answers")
        answer("the address is revoked: 404")

    async def _book(self) -> Json:
        async def ask() -> Json:
            wanted = {
                "contactId": self._visited.contact_id,
                "duration": LONG,
                "windows": await self._mornings(),
                "limit": 1,
            }
            found = await self._caller.posts(f"{self._campaign}/slots:suggest", wanted, told=False)
            _require(bool(found["slots"]), "no morning is free in two weeks")
            token = found["slots"][0]["slotToken"]
            return _new(slotToken=token, contactId=self._visited.contact_id)

        made = await self._caller.takes("/v1/appointments", ask)
        answer(f"{made['appointmentId']}, {self._at(made)}")
        return made

    async def _mornings(self) -> list[Json]:
        now = reading.instant((await self._caller.asks("/v1/testClock", told=False))["now"])
        zone = ZoneInfo(self._home.time_zone)
        first = (now.astimezone(zone) + AHEAD).date()
        days = [first + timedelta(days=offset) for offset in range(MORNINGS)]
        return [{"start": _instant(day, FROM, zone), "end": _instant(day, UNTIL, zone)} for day in days]

    async def _document(self, card: Json) -> None:
        """Up and back by gRPC: bytes do not go as JSON."""
        metadata = (("authorization", f"Bearer {self._caller.token}"),)
        head = documents_pb2.UploadDocumentHeader(
            appointment_id=card["appointmentId"], file_name="contract.pdf", request_id=str(uuid.uuid4())
        )
        parts = [
            documents_pb2.UploadDocumentRequest(header=head),
            documents_pb2.UploadDocumentRequest(chunk=PDF),
        ]
        options = [("grpc.enable_http_proxy", 0)]
        async with grpc.aio.insecure_channel(self._target, options) as channel:
            stub = DocumentsServiceStub(channel)
            made = await stub.UploadDocument(iter(parts), metadata=metadata, timeout=SECONDS)
            asked = documents_pb2.DownloadDocumentRequest(document_id=made.document_id)
            stream = stub.DownloadDocument(asked, metadata=metadata, timeout=SECONDS)
            back = b"".join([part.chunk async for part in stream])
        _require(
            back == PDF and made.sha256 == hashlib.sha256(back).hexdigest(), "a document came back changed"
        )
        answer(f"{made.file_name}, {made.media_type}, version {made.version}: back byte for byte")

    async def _nobody_waits(self) -> None:
        """Whom a played flow left waiting that was cut off would get the offer."""
        for entry in (await self._caller.asks(f"{self._campaign}/waitlist", told=False))["entries"]:
            await self._caller.posts(f"/v1/waitlist/{entry['entryId']}:leave", {}, told=False)

    async def _waits(self, card: Json) -> None:
        wish = {"duration": SHORT, "notBefore": card["start"], "notAfter": card["end"]}
        body = _new(contactId=self._waiting.contact_id, **wish)
        await self._caller.posts(f"{self._campaign}/waitlist", body)

    async def _accept(self, card: Json) -> None:
        async def look() -> list[Json]:
            found = await self._caller.asks(f"{self._campaign}/waitlist", told=False)
            return [each["offer"] for each in found["entries"] if each.get("offer")]

        offers = await until(look, bool)
        _require(bool(offers), "nobody was offered what became free")
        kept = words.local(offers[0]["expiresAt"], self._home.time_zone)
        answer(f"{self._waiting.name} is offered {self._at(offers[0])}, kept until {kept:%H:%M:%S}")
        made = await self._caller.posts(f"/v1/offers/{offers[0]['offerId']}:accept", _new())
        _require(made["contactId"] == self._waiting.contact_id, "somebody else was booked")
        _require(made["agentId"] == card["agentId"], "another agent was booked")
        answer(f"{made['appointmentId']}, {self._at(made)}")
        await self._caller.posts(f"{_path(made)}:cancel", {"note": "played"}, told=False)

    async def _count(self) -> None:
        async def look() -> Json:
            return await self._caller.asks(f"{self._campaign}/box:verify", told=False)

        found = await until(look, lambda seen: not seen["differing"])
        _require(not found["differing"], f"the counters differ from a recount: {found['differing']}")
        box = found["box"]
        counts = f"{box['purchased']} purchased, {box['taken']} taken, {box['toConfirm']} of which to confirm"
        answer(f"the counters box: {counts}; a recount of the history says the same")

    def _at(self, what: Json) -> str:
        start: datetime = words.local(what["start"], self._home.time_zone)
        hours = words.span(what["start"], what["end"], self._home.time_zone)
        return f"{words.day_of(start)} {hours}"


async def _status(url: str, card: Json) -> str:
    """How a calendar program sees the visit; empty when it does not."""
    response = await _fetched(url)
    lines = response.text.replace("\r\n ", "").splitlines()
    uid = f"UID:{card['appointmentId']}@giro"
    for event in "\n".join(lines).split("BEGIN:VEVENT"):
        fields = event.splitlines()
        if uid in fields:
            return next(line.removeprefix("STATUS:") for line in fields if line.startswith("STATUS:"))
    return ""


async def _gone(url: str) -> bool:
    return (await _fetched(url)).status_code == httpx2.codes.NOT_FOUND


async def _fetched(url: str) -> httpx2.Response:
    async with httpx2.AsyncClient(timeout=SECONDS, trust_env=False) as http:
        return await http.get(url)


def _instant(day: date, wall: time, zone: ZoneInfo) -> str:
    return reading.rfc3339(datetime.combine(day, wall, zone))


def _path(card: Json) -> str:
    return f"/v1/appointments/{card['appointmentId']}"


def _new(**body: Any) -> Json:
    """A body with a fresh idempotency key."""
    return {**body, "requestId": str(uuid.uuid4())}


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise StartFailed("the played flow", f"{what}.", "This is a fault of Giro: please report it.")
