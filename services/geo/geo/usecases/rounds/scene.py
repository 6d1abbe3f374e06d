"""The agents' duties as they are booked at one instant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from geo.domain import errors
from geo.domain.agenda import Agenda
from geo.domain.duties import DutyView, duties
from geo.domain.plan import Plan
from geo.domain.plan_limits import may_serve
from geo.storage import agendas, owners
from geo.usecases.rounds.planner import Planner
from kit.errors import Reason
from kit.values.window import Window

_LOOK_BACK: Final = timedelta(days=2)
_LOOK_AHEAD: Final = timedelta(days=8)
"""A shift lasts a week at most: shifts that touch count as one."""


@dataclass(frozen=True, slots=True)
class Scene:
    """The agents' duties as they are booked at one instant, and the plans of their appointments by id."""

    now: datetime
    agendas: Mapping[str, Agenda]
    views: tuple[DutyView, ...]
    plans: Mapping[str, Plan]

    def able(self, skills: Sequence[str], place: int, postcode: str = "") -> tuple[int, ...]:
        """Duties of agents with all these skills whose zones may hold the place."""
        shut = {number for number, _ in self.closed(skills, place, postcode)}
        return tuple(number for number in range(len(self.views)) if number not in shut)

    def closed(self, skills: Sequence[str], place: int, postcode: str = "") -> tuple[tuple[int, Reason], ...]:
        """The other duties, with what they lack."""
        found = []
        for number, view in enumerate(self.views):
            if not set(skills) <= view.agenda.skills:
                found.append((number, Reason.NO_SKILL))
            elif not may_serve(view.agenda, place, postcode):
                found.append((number, Reason.OUTSIDE_ZONE))
        return tuple(found)

    @property
    def shiftless(self) -> tuple[str, ...]:
        """Agents without a duty."""
        busy = {view.agenda.agent_id for view in self.views}
        return tuple(agent_id for agent_id in self.agendas if agent_id not in busy)


async def read_scene(
    planner: Planner, tenant: str, agents: Mapping[str, str] | Sequence[str], span: Window
) -> Scene:
    """Reads in one short transaction. `agents` are ids, with the field that names each where it is not
    `agent_ids`. Raises NotFound for an agent that the tenant does not have."""
    fields = agents if isinstance(agents, Mapping) else dict.fromkeys(agents, "agent_ids")
    agent_ids = list(fields)
    async with planner.ledger.db.uow(tenant) as tx:
        now = await tx.now()
        found = await agendas.read_agendas(
            tx, agent_ids, min(now, span.start) - _LOOK_BACK, span.end + _LOOK_AHEAD
        )
        for agent_id in agent_ids:
            if agent_id not in found:
                raise errors.not_found("agent", agent_id, fields[agent_id])
        views = tuple(view for agent_id in agent_ids for view in duties(found[agent_id], span, now))
        ids = [stop.owner_id for view in views for stop in view.visits if stop.owner_id is not None]
        return Scene(now, found, views, await owners.plans(tx, ids))
