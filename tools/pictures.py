"""Draws docs/img/day.svg from the running demo and docs/img/architecture.svg.

    make run                          (in another terminal)
    .venv/bin/python tools/pictures.py

The day is a real answer: the best slot for a person of the demo whom nobody visits yet, on a booked day.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from allinone.demo.region import around_turin
from cli import reading, settings
from cli.gateway import Gateway

Json = dict[str, Any]
Point = tuple[float, float]
Rect = tuple[float, float, float, float]

OUT = Path(__file__).resolve().parent.parent / "docs" / "img"
WIDTH, HEIGHT, MAP = 1080, 560, 560
INK, SOFT, FAINT, ROAD, VISIT, OFFER, HOME = (
    "#1f2a37",
    "#52606d",
    "#9aa5b1",
    "#2f6fb2",
    "#2e7d4f",
    "#c2410c",
    "#6b4fa0",
)
FONT = "font-family='DejaVu Sans, Verdana, sans-serif'"
HARD_SPACES = "\u00a0\u00a0"  # SVG folds plain ones into one
VISITS = ("STOP_KIND_APPOINTMENT", "STOP_KIND_HOLD")
BASES = ("STOP_KIND_DAY_START", "STOP_KIND_DAY_END")


def main() -> None:
    """Writes both pictures."""
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "architecture.svg").write_text(architecture())
    configured = settings.load()
    with Gateway(configured) as gateway:
        scene = best_scene(gateway, configured.demo["tenants"]["voce"])
    (OUT / "day.svg").write_text(day(scene))


# --- the day ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scene:
    """An agent's day and the slots that were offered for one person."""

    agent: str
    zone: ZoneInfo
    stops: Sequence[Json]
    slot: Json
    offered: Sequence[tuple[str, Json]]
    person: str
    at: Point


def best_scene(gateway: Gateway, tenant: Json) -> Scene:
    """The first free person whose best slot lies between two visits of a day with at least four."""
    zone = ZoneInfo(tenant["time_zone"])
    names = {tenant["agents"][key]: name for key, name in tenant["agent_names"].items()}
    for person in tenant["free_contacts"]:
        body = {"contactId": person["contact_id"], "duration": "2700s", "limit": 6}
        slots = gateway.post(f"/v1/campaigns/{person['campaign_id']}/slots:suggest", body)["slots"]
        stops = day_of(gateway, slots[0]["anatomy"], zone) if slots else []
        if sum(stop["kind"] in VISITS for stop in stops) >= 4 and between(stops, slots[0]["anatomy"]):
            offered = [(names[slot["anatomy"]["agentId"]], slot["anatomy"]) for slot in slots]
            at = person["latitude"], person["longitude"]
            who = f"{person['name']}, {person['address']}"
            return Scene(offered[0][0], zone, stops, slots[0]["anatomy"], offered, who, at)
    raise SystemExit("no free person has a slot between two visits: make clean, make run, then again")


def day_of(gateway: Gateway, anatomy: Json, zone: ZoneInfo) -> list[Json]:
    """The stops of the slot's day."""
    midnight = local(anatomy["start"], zone).replace(hour=0, minute=0, second=0)
    span = {"from": reading.rfc3339(midnight), "to": reading.rfc3339(midnight + timedelta(days=1))}
    stops: list[Json] = gateway.get(f"/v1/agents/{anatomy['agentId']}/itinerary", **span)["stops"]
    return stops


def between(stops: Sequence[Json], anatomy: Json) -> bool:
    """Whether a visit comes before the slot and another one after."""
    visits = [stop for stop in stops if stop["kind"] in VISITS]
    return bool(visits) and visits[0]["end"] <= anatomy["start"] and anatomy["end"] <= visits[-1]["start"]


def day(scene: Scene) -> str:
    """The picture: the round on a map, the hours beside it, what was offered below."""
    title = f"{scene.agent}, {local(scene.slot['start'], scene.zone):%A %d %B}"
    parts = [
        text(20, 32, title, size=19, weight="bold"),
        text(20, 54, f"a visit of 45 minutes for {scene.person}", size=13, fill=OFFER),
        *round_map(scene),
        *hours(scene),
        *offers(scene),
    ]
    return svg(WIDTH, HEIGHT, parts)


def round_map(scene: Scene) -> Iterator[str]:
    """The day's stops in order, the offered visit between its neighbours, towns around."""
    placed = [stop for stop in scene.stops if stop.get("point") and stop["kind"] in VISITS + BASES]
    points = [(stop["point"]["latitude"], stop["point"]["longitude"]) for stop in placed]
    project = projection([*points, scene.at])
    yield f"<rect x='20' y='70' width='{MAP}' height='{HEIGHT - 90}' rx='8' fill='#f4f6f8' stroke='#d5dbe1'/>"
    yield from towns(project)
    yield polyline([project(point) for point in points], ROAD)
    before = max((i for i, stop in enumerate(placed) if stop["end"] <= scene.slot["start"]), default=0)
    detour = [points[before], scene.at, points[min(before + 1, len(points) - 1)]]
    yield polyline([project(point) for point in detour], OFFER, dashed=True)
    number = 0
    for stop, point in zip(placed, points, strict=True):
        x, y = project(point)
        if stop["kind"] in BASES:
            yield f"<rect x='{x - 7:.1f}' y='{y - 7:.1f}' width='14' height='14' fill='{HOME}'/>"
            continue
        number += 1
        yield disc(x, y, str(number), VISIT)
    yield disc(*project(scene.at), "★", OFFER)


def towns(project: "Projection") -> Iterator[str]:
    """Names of real towns inside the frame, biggest first, none over another."""
    taken: list[Point] = []
    for town in around_turin().towns:
        x, y = project((town.centre.lat, town.centre.lng))
        inside = 40 < x < MAP - 60 and 90 < y < HEIGHT - 40
        if inside and all(abs(x - a) > 110 or abs(y - b) > 22 for a, b in taken):
            taken.append((x, y))
            yield text(x, y, town.name, size=11, fill=FAINT, anchor="middle")


def hours(scene: Scene) -> Iterator[str]:
    """A column of the day: visits, drives, the break, and the offer in its gap."""
    left, top, tall = 620, 84, 330
    first, last = local(scene.stops[0]["end"], scene.zone), local(scene.stops[-1]["start"], scene.zone)
    scale = tall / (last - first).total_seconds()

    def y(instant: str) -> float:
        return top + (local(instant, scene.zone) - first).total_seconds() * scale

    for hour in range(first.hour, last.hour + 1):
        line = top + (first.replace(hour=hour, minute=0) - first).total_seconds() * scale
        if line >= top - 1:
            yield text(left - 8, line + 4, f"{hour}:00", size=10, fill=FAINT, anchor="end")
            yield f"<line x1='{left}' y1='{line:.1f}' x2='{left + 150}' y2='{line:.1f}' stroke='#e3e8ed'/>"
    number = 0
    for stop in scene.stops:
        begin, end = y(stop["start"]), y(stop["end"])
        driving = reading.seconds((stop.get("leg") or {}).get("travel")) * scale
        if driving:
            yield box((left + 62, begin - driving, 26, driving), ROAD, opacity=0.35)
        if stop["kind"] == "STOP_KIND_BREAK":
            yield box((left, begin, 150, end - begin), FAINT, opacity=0.35)
        if stop["kind"] in VISITS:
            number += 1
            yield box((left, begin, 150, end - begin), VISIT)
            yield text(left + 75, (begin + end) / 2 + 4, str(number), fill="#fff", anchor="middle")
    begin, end = y(scene.slot["start"]), y(scene.slot["end"])
    yield box((left + 8, begin, 134, end - begin), OFFER)
    yield text(left + 75, (begin + end) / 2 + 4, "★ offered", fill="#fff", anchor="middle")
    yield text(left + 170, top + 10, "green: booked   blue: driving", size=11, fill=FAINT)
    yield text(left + 170, top + 28, "grey: break   orange: the offer", size=11, fill=FAINT)
    for row, (name, value) in enumerate(anatomy_rows(scene)):
        yield text(left + 170, top + 64 + row * 22, name, size=12, fill=FAINT)
        yield text(left + 290, top + 64 + row * 22, value, size=12)


def anatomy_rows(scene: Scene) -> list[tuple[str, str]]:
    """The best slot in words."""
    slot = scene.slot
    return [
        ("start", f"{local(slot['start'], scene.zone):%H:%M}"),
        ("leave at", f"{local(slot['leaveAt'], scene.zone):%H:%M}"),
        ("drive there", drive(slot.get("legBefore"))),
        ("drive on", drive(slot.get("legAfter"))),
        ("added travel", minutes(slot["addedTravel"])),
        ("waiting", minutes(slot["idle"])),
        ("slack", minutes(slot["slack"])),
    ]


def offers(scene: Scene) -> Iterator[str]:
    """The other offers, best first."""
    yield text(620, 450, "offered, least added travel first", size=12, weight="bold")
    for row, (name, slot) in enumerate(scene.offered[:5]):
        start = local(slot["start"], scene.zone)
        grade = slot["grade"].removeprefix("GRADE_").lower()
        said = f"{row + 1}.  {start:%a %d %b %H:%M}   {name}   +{minutes(slot['addedTravel'])}   {grade}"
        yield text(620, 470 + row * 18, said, size=12, fill=OFFER if row == 0 else INK)


class Projection:
    """Degrees to pixels of the map, equal scale both ways."""

    def __init__(self, points: Sequence[Point]) -> None:
        lats, lngs = [lat for lat, _ in points], [lng for _, lng in points]
        self._middle = (max(lats) + min(lats)) / 2, (max(lngs) + min(lngs)) / 2
        self._shrink = math.cos(math.radians(self._middle[0]))
        tall = max(max(lats) - min(lats), 0.01)
        wide = max((max(lngs) - min(lngs)) * self._shrink, 0.01)
        self._scale = min((HEIGHT - 170) / tall, (MAP - 90) / wide)

    def __call__(self, point: Point) -> Point:
        x = 20 + MAP / 2 + (point[1] - self._middle[1]) * self._shrink * self._scale
        return x, 70 + (HEIGHT - 90) / 2 - (point[0] - self._middle[0]) * self._scale


def projection(points: Sequence[Point]) -> Projection:
    """A frame around the points."""
    return Projection(points)


# --- the architecture -------------------------------------------------------------------------------------


def architecture() -> str:
    """Callers, the gateway, services with their schemas, events."""
    parts = [
        card((20, 120, 180, 90), "operator, partner", "giro, browser, program", "JSON or gRPC"),
        card((260, 120, 200, 90), "gateway", "Envoy: tokens, limits", "edge: strict JSON to gRPC"),
        card((540, 20, 220, 80), "identity", "tenants, users, roles,", "tokens, test clock"),
        card((540, 125, 220, 80), "booking", "campaigns, people,", "appointments"),
        card((540, 240, 220, 80), "geo", "itinerary ledger, slot search,", "travel: estimate, OSRM, matrix"),
        card(
            (840, 20, 220, 300),
            "PostgreSQL + PostGIS",
            "a schema and a login each,",
            "row-level security",
            "",
            "the chain of stops as",
            "constraints: no code path",
            "can break the promise",
            "",
            "rows and events in one",
            "transaction (outbox)",
        ),
        card(
            (540, 375, 520, 60),
            "NATS JetStream",
            "booked, confirmed, postponed, reassigned, cancelled, at risk",
        ),
        arrow((200, 165), (260, 165), "HTTP"),
        arrow((460, 150), (540, 65), "gRPC"),
        arrow((460, 165), (540, 165), ""),
        arrow((460, 180), (540, 270), ""),
        arrow((620, 205), (620, 240), ""),
        text(630, 227, "take before deciding", size=10, fill=SOFT),
        *(arrow((760, y), (840, y), "", both=True) for y in (60, 165, 280)),
        arrow((950, 320), (950, 375), ""),
        text(960, 352, "relay", size=10, fill=SOFT),
        arrow((650, 375), (650, 320), "", dashed=True),
        text(660, 352, "consumers", size=10, fill=SOFT),
        text(20, 395, "next, in the same rooms and on the same bus:", size=12, fill=FAINT),
        text(20, 415, "geodialing, reminders, billing, assignments", size=12, fill=FAINT),
    ]
    return svg(WIDTH, 460, parts)


def card(rect: Rect, title: str, *lines: str) -> str:
    """A named box."""
    x, y, w, h = rect
    rows = [text(x + 12, y + 44 + 17 * row, line, size=11, fill=SOFT) for row, line in enumerate(lines)]
    frame = f"<rect x='{x}' y='{y}' width='{w}' height='{h}' rx='8' fill='#f4f6f8' stroke='{ROAD}'/>"
    return "".join([frame, text(x + 12, y + 24, title, size=14, weight="bold"), *rows])


def arrow(start: Point, end: Point, label: str, *, dashed: bool = False, both: bool = False) -> str:
    """A line with a head, or with two."""
    dash = " stroke-dasharray='5 4'" if dashed else ""
    heads = "marker-end='url(#head)'" + (" marker-start='url(#head)'" if both else "")
    line = f"<line x1='{start[0]}' y1='{start[1]}' x2='{end[0]}' y2='{end[1]}' stroke='{INK}'{dash} {heads}/>"
    middle = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2 - 5
    return line + (text(*middle, label, size=10, fill=SOFT, anchor="middle") if label else "")


# --- pieces of SVG ----------------------------------------------------------------------------------------


def svg(width: int, height: int, parts: Sequence[str]) -> str:
    """A whole picture on white, readable on a dark page too."""
    head = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' {FONT}>"
    marker = (
        "<defs><marker id='head' viewBox='0 0 8 8' refX='7' refY='4' markerWidth='7' markerHeight='7' "
        f"orient='auto-start-reverse'><path d='M0 0L8 4L0 8z' fill='{INK}'/></marker></defs>"
    )
    ground = f"<rect width='{width}' height='{height}' fill='#ffffff'/>"
    return "\n".join([head, marker, ground, *parts, "</svg>\n"])


def text(x: float, y: float, words: str, **look: Any) -> str:
    """Words at a place; `look` may have size, fill, weight and anchor."""
    style = (
        f"font-size='{look.get('size', 12)}' fill='{look.get('fill', INK)}' "
        f"font-weight='{look.get('weight', 'normal')}' text-anchor='{look.get('anchor', 'start')}'"
    )
    return f"<text x='{x:.1f}' y='{y:.1f}' {style}>{escape(words).replace('  ', HARD_SPACES)}</text>"


def box(rect: Rect, fill: str, *, opacity: float = 1.0) -> str:
    """A filled rectangle."""
    x, y, w, h = rect
    size = f"width='{w:.1f}' height='{max(h, 1):.1f}'"
    return f"<rect x='{x:.1f}' y='{y:.1f}' {size} rx='3' fill='{fill}' fill-opacity='{opacity}'/>"


def disc(x: float, y: float, label: str, fill: str) -> str:
    """A numbered place."""
    circle = f"<circle cx='{x:.1f}' cy='{y:.1f}' r='11' fill='{fill}' stroke='#fff' stroke-width='2'/>"
    return circle + text(x, y + 4, label, size=11, fill="#fff", weight="bold", anchor="middle")


def polyline(points: Sequence[Point], colour: str, *, dashed: bool = False) -> str:
    """A line over places."""
    way = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dash = " stroke-dasharray='6 5'" if dashed else ""
    return f"<polyline points='{way}' fill='none' stroke='{colour}' stroke-width='2'{dash}/>"


def local(instant: str, zone: ZoneInfo) -> datetime:
    """An instant of the gateway in a zone."""
    return reading.instant(instant).astimezone(zone)


def minutes(duration: str) -> str:
    """ "12 min"."""
    return f"{round(reading.seconds(duration) / 60)} min"


def drive(leg: Json | None) -> str:
    """ "12 min, 3.4 km (estimate)"."""
    if not leg:
        return "none"
    source = leg["source"].removeprefix("TRAVEL_SOURCE_").lower()
    return f"{minutes(leg['travel'])}, {int(leg['metres']) / 1000:.1f} km ({source})"


if __name__ == "__main__":
    main()
