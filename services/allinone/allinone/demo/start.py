"""Loads the demo into a running stack once; every later start only looks whether it is there."""

import asyncio
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

from allinone.demo import places, tenants
from allinone.demo.began import Beginnings
from allinone.demo.calls import Refused, Services, User, failed
from allinone.demo.days import DAYS, booked_days
from allinone.demo.extras import CAMPAIGN, Extras
from allinone.demo.ids import DemoIds, SignIn, TenantIds
from allinone.demo.load import Loaded, Say, ids_of, load_tenant, load_visits, now_of
from allinone.demo.model import DemoTenant, DemoUser, DemoVisit
from allinone.demo.seed import SEED
from allinone.errors import StartFailed
from allinone.urls import StackUrls
from giro.identity.v1 import identity_pb2

ROADS, ESTIMATE = "roads", "estimate"
FIRST, SECOND = "voce", "vicino"
MOST_REFUSED = 0.1
SOONEST = timedelta(hours=1)
"""Visits that begin earlier than this after the load's beginning are not booked."""


class Running(Protocol):
    """What the demo needs of a started stack."""

    @property
    def urls(self) -> StackUrls:
        """Where everything listens."""
        ...


def silent(words: str) -> None:
    """Progress that nobody watches."""


async def load(
    stack: Running, *, file: Path, extract: Path | None = None, roads: str = "", say: Say = silent
) -> DemoIds:
    """Loads what is not there yet and writes `file`.

    `roads` is the prepared road base that geo answers from and `extract` the map it was made of; both empty
    for the estimate. Raises StartFailed with what to do when the demo cannot be loaded.
    """
    async with Services(stack.urls.targets) as services:
        where = _Where(extract, roads, Beginnings(file.with_suffix(".began")))
        ids = await _already_there(services, file) or await _load(services, where, say)
    ids = _reached_at(ids, stack.urls)
    ids.write(file)
    return ids


async def _already_there(services: Services, file: Path) -> DemoIds | None:
    """What an earlier start loaded into this very database; None when there is anything left to load."""
    ids = DemoIds.read(file)
    if ids is None or ids.seed != SEED:
        return None
    administrator = ids.users["administrator"]
    try:
        user = await services.sign_in(administrator.email, administrator.password)
        tenant = await user.call(services.identity.GetTenant, identity_pb2.GetTenantRequest())
    except Refused:
        return None
    return ids if tenant.tenant_id == ids.tenants[FIRST].tenant_id else None


@dataclass(frozen=True, slots=True)
class _Where:
    """The map and what was made of it, and when the loads began."""

    extract: Path | None
    roads: str
    began: Beginnings


async def _load(services: Services, where: _Where, say: Say) -> DemoIds:
    say("choosing places")
    chosen = await asyncio.to_thread(places.choose, where.extract, where.roads)
    if chosen.note:
        say(chosen.note)
    made = [
        tenants.first_tenant(SEED, chosen.region, chosen.snap),
        tenants.second_tenant(SEED, chosen.region, chosen.snap),
    ]
    try:
        platform = await _sign_in(services, tenants.platform_user())
        parts = [await _load_one(services, platform, tenant, where.began, say) for tenant in made]
    except Refused as refused:
        raise failed(refused, "the demo could not be loaded") from refused
    _require_most(parts[0].loaded, len(parts[0].visits))
    say(_summary(parts[0].loaded))
    return DemoIds(
        gateway_url="",
        grpc_target="",
        seed=SEED,
        region=chosen.region.name,
        travel=ROADS if where.extract else ESTIMATE,
        first_day=parts[0].first_day.isoformat(),
        last_day=(parts[0].first_day + timedelta(days=DAYS - 1)).isoformat(),
        booked=parts[0].loaded.booked,
        users=_sign_ins(made, parts),
        tenants={tenant.key: part.ids for tenant, part in zip(made, parts, strict=True)},
        metrics={},
    )


class _Part:
    """One tenant that was loaded."""

    def __init__(self, tenant: DemoTenant, loaded: Loaded, first_day: date, visits: list[DemoVisit]) -> None:
        self.loaded, self.first_day, self.visits = loaded, first_day, visits
        self.ids: TenantIds = ids_of(tenant, loaded, visits)


async def _load_one(
    services: Services, platform: User, tenant: DemoTenant, beginnings: Beginnings, say: Say
) -> _Part:
    say(f"{tenant.name}: agents, campaigns, people")
    loaded, administrator = await load_tenant(services, platform, SEED, tenant)
    began = beginnings.of(loaded.tenant_id, await now_of(administrator))
    first_day = began.astimezone(ZoneInfo(tenant.time_zone)).date()
    visits = [visit for visit in booked_days(SEED, tenant, first_day) if visit.start >= began + SOONEST]
    await load_visits(administrator, SEED, visits, loaded, say)
    part = _Part(tenant, loaded, first_day, visits)
    if tenant.key == FIRST:
        say("zones, a series, a waiting list, documents, claims")
        campaign_id = loaded.campaigns[CAMPAIGN]
        free = [each.contact_id for each in part.ids.free_contacts if each.campaign_id == campaign_id]
        extras = Extras(administrator, SEED, tenant, loaded, began, free)
        loaded.booked += await extras.load(visits)
    return part


async def _sign_in(services: Services, user: DemoUser) -> User:
    return await services.sign_in(user.email, user.password)


def _require_most(loaded: Loaded, asked: int) -> None:
    """A few visits may not fit on real roads; many mean that something is wrong.

    Visits whose time had passed when a load was taken up again do not count: the campaigns have no lead time
    then, so it is what LEAD_TIME says.
    """
    refused = loaded.refused.total() - loaded.refused["LEAD_TIME"]
    if refused > asked * MOST_REFUSED:
        why = f"{refused} of {asked} visits were refused: {dict(loaded.refused)}."
        raise StartFailed("demo data", why, "`make clean` and start again; with ROADS, try a larger map.")


def _summary(loaded: Loaded) -> str:
    refused = ", ".join(f"{count} {reason}" for reason, count in loaded.refused.items())
    return f"{loaded.booked} visits booked" + (f", left out: {refused}" if refused else "")


def _sign_ins(made: list[DemoTenant], parts: list[_Part]) -> dict[str, SignIn]:
    platform = tenants.platform_user()
    sign_ins = {platform.key: _sign_in_of(platform, "", "")}
    for tenant, part in zip(made, parts, strict=True):
        for user in tenant.users:
            scope = part.loaded.campaigns.get(user.campaign or "", "")
            sign_ins[user.key] = _sign_in_of(user, part.loaded.tenant_id, scope)
    return sign_ins


def _sign_in_of(user: DemoUser, tenant_id: str, scope: str) -> SignIn:
    return SignIn(user.email, user.password, user.role, user.name, tenant_id, scope)


def _reached_at(ids: DemoIds, urls: StackUrls) -> DemoIds:
    """The same demo at today's ports."""
    return replace(
        ids,
        gateway_url=urls.gateway,
        grpc_target=urls.gateway.removeprefix("http://"),
        gateway_admin=urls.gateway_admin,
        metrics=dict(urls.metrics),
    )
