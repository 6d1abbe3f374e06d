"""Puts a tenant's own travel matrix in force. Nothing moves: pairs that no longer fit are told (GEO-17)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from geo.domain.legs import Pair
from geo.domain.matrix import Entry, travel_version
from geo.domain.modes import TravelMode
from geo.domain.profile import Profile
from geo.storage import at_risk, matrices
from geo.storage.matrices import OfTenant
from geo.storage.rewrite import CHANNEL
from geo.usecases.check_promises import TravelData, check_promises
from kit import telemetry
from kit.db.claims import Claim
from kit.db.uow import Tx
from kit.errors import Unavailable

_log: Final = telemetry.logger("geo.import_matrix")


@dataclass(frozen=True, slots=True)
class Imported:
    """The version of the travel data now in force, and how many pairs of stops no longer fit."""

    version: str
    now_infeasible: int


@dataclass(frozen=True, slots=True)
class TravelImport:
    """What to put in force: None leaves the matrix of the mode, or the profile of the week, as it is. No
    entries remove the matrix; `without_profile` removes the profile. Other modes keep what they have."""

    entries: Mapping[Pair, Entry] | None = None
    profile: Profile | None = None
    without_profile: bool = False
    mode: TravelMode = TravelMode.CAR


@dataclass(frozen=True, slots=True)
class InForce:
    """The profile, if there is one, the version of the travel data, and how many pairs no longer fit it."""

    profile: Profile | None
    version: str
    now_infeasible: int


async def import_travel(data: TravelData, tenant: str, what: TravelImport, claim: Claim) -> Imported:
    """Replaces the tenant's own travel data. The same claim again imports nothing anew.

    Raises Unavailable (TRAVEL_UNAVAILABLE) when there are no roads for the mode, and when the pairs promised
    by it cannot be checked; in the latter case the matrix is in force, and the same call again, or
    `list_now_infeasible`, checks them. Pairs of other modes count as far as their roads answer.
    """
    data.travel.of(what.mode)
    async with data.db.uow(tenant, claim) as tx:
        if tx.duplicate and tx.claim_ref is not None:
            number = int(tx.claim_ref)
        else:
            # whoever books meanwhile finds the new version after our commit, and measures again
            await at_risk.lock_all_agents(tx)
            number = await _put_in_force(tx, what)
            tx.refer(str(number))
        timed = await matrices.has_profile(tx, number)
        modes = {what.mode, *await at_risk.modes(tx)}
    version = await _checked(data, tenant, what.mode, (number, timed))
    versions = [version]
    for other in sorted(modes - {what.mode}):
        try:
            versions.append(await _checked(data, tenant, other, (number, timed)))
        except Unavailable as failure:
            # what was imported is not about them: they are checked once their roads answer
            message = "promises of another mode are not checked: no answer about the roads"
            _log.warning(message, travel_mode=other.value, why=str(failure))
    async with data.db.uow(tenant) as tx:
        return Imported(version, await at_risk.count(tx, versions))


async def _checked(data: TravelData, tenant: str, mode: TravelMode, own: tuple[int, bool]) -> str:
    """The version of the data of a mode, after its promises were held against them. Raises Unavailable."""
    number, timed = own
    engine = await data.travel.of(mode).engine_version()
    version = travel_version(engine, number, timed=timed and mode is TravelMode.CAR)
    await check_promises(data, tenant, mode, version)
    return version


async def get_travel(data: TravelData, tenant: str) -> InForce:
    """What is in force for cars. Raises Unavailable (TRAVEL_UNAVAILABLE) when the engine cannot tell its
    version."""
    engine = await data.travel.of(TravelMode.CAR).engine_version()
    async with data.db.uow(tenant) as tx:
        version = await matrices.version_of_drives(tx, engine, TravelMode.CAR)
        own = await matrices.load(tx)
        return InForce(own.profile, version, await at_risk.count(tx, [version]))


async def _put_in_force(tx: Tx, what: TravelImport) -> int:
    entries = {} if what.entries is None else {what.mode: what.entries}
    kept = None if what.without_profile else await matrices.profile_in_force(tx)
    return await matrices.put_in_force(tx, OfTenant(0, entries, what.profile or kept), CHANNEL)
