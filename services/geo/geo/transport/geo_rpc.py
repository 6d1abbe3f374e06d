"""The public gRPC face of geo: message to command, domain to message."""

from datetime import timedelta
from typing import Final

import grpc

from geo.domain.agent import Agent
from geo.transport import messages
from geo.transport.reach import require_agent, require_whole, sees_owners
from geo.transport.search_calls import SearchCalls
from geo.transport.travel_calls import TravelCalls, TravelDesk
from geo.usecases.add_absence import AddAbsence, add_absence
from geo.usecases.create_agent import create_agent
from geo.usecases.get_agent import get_agent, get_itinerary, list_agents
from geo.usecases.ledger import Ledger
from geo.usecases.remove_absence import remove_absence
from geo.usecases.set_calendar import set_calendar
from geo.usecases.set_travel_mode import set_travel_mode
from geo.usecases.verify_invariants import verify_invariants
from giro.geo.v1 import geo_pb2 as pb
from kit.db.claims import Claim
from kit.rpc.context import caller
from kit.values.ids import new_id

Context = grpc.aio.ServicerContext[object, object]

LONGEST_ABSENCE: Final = timedelta(days=400)
_PAGE: Final = 50


class GeoServicer(TravelCalls):
    """giro.geo.v1.GeoService."""

    def __init__(self, ledger: Ledger, search: SearchCalls, travel: TravelDesk) -> None:
        super().__init__(travel)
        self._ledger, self._search = ledger, search

    async def CreateAgent(self, request: pb.CreateAgentRequest, context: Context) -> pb.Agent:
        """Makes an agent."""
        require_whole()
        made = Agent(
            agent_id=new_id("agt"),
            display_name=request.display_name,
            skills=tuple(request.skills),
            buffer=int(messages.span(request.buffer, "buffer").total_seconds()),
            calendar=messages.calendar_in(request.calendar),
            mode=messages.mode(request.travel_mode),
        )
        claim = Claim(f"create_agent:{request.request_id}", request.SerializeToString(deterministic=True))
        return messages.agent(await create_agent(self._ledger, caller().tenant, made, claim))

    async def SetAgentCalendar(self, request: pb.SetAgentCalendarRequest, context: Context) -> pb.Agent:
        """Replaces a calendar."""
        require_whole()
        weekly = messages.calendar_in(request.calendar)
        changed = await set_calendar(self._ledger, caller().tenant, request.agent_id, weekly)
        return messages.agent(changed)

    async def SetAgentTravelMode(self, request: pb.SetAgentTravelModeRequest, context: Context) -> pb.Agent:
        """Changes how an agent travels."""
        require_whole()
        mode = messages.mode(request.travel_mode)
        return messages.agent(await set_travel_mode(self._ledger, caller().tenant, request.agent_id, mode))

    async def GetAgent(self, request: pb.GetAgentRequest, context: Context) -> pb.Agent:
        """One agent."""
        require_agent(request.agent_id)
        return messages.agent(await get_agent(self._ledger, caller().tenant, request.agent_id))

    async def ListAgents(self, request: pb.ListAgentsRequest, context: Context) -> pb.ListAgentsResponse:
        """A page of agents."""
        size = request.page_size or _PAGE
        after = messages.page_after(request.page_token)
        found = await list_agents(self._ledger, caller().tenant, after, size + 1)
        more = messages.page_token(found[size - 1].agent_id) if len(found) > size else ""
        return pb.ListAgentsResponse(
            agents=[messages.agent(one) for one in found[:size]], next_page_token=more
        )

    async def AddAbsence(self, request: pb.AddAbsenceRequest, context: Context) -> pb.Absence:
        """Blocks time."""
        require_whole()
        window = messages.window(request.window, "window", LONGEST_ABSENCE)
        command = AddAbsence(request.agent_id, window, request.note, request.request_id)
        return messages.absence(await add_absence(self._ledger, caller().tenant, command))

    async def RemoveAbsence(
        self, request: pb.RemoveAbsenceRequest, context: Context
    ) -> pb.RemoveAbsenceResponse:
        """Gives blocked time back."""
        require_whole()
        await remove_absence(self._ledger, caller().tenant, request.absence_id)
        return pb.RemoveAbsenceResponse()

    async def GetItinerary(self, request: pb.GetItineraryRequest, context: Context) -> pb.Itinerary:
        """An agent's stops in order."""
        require_agent(request.agent_id)
        start = messages.instant(request.from_time, "from") if request.HasField("from_time") else None
        end = messages.instant(request.to_time, "to") if request.HasField("to_time") else None
        found = await get_itinerary(self._ledger, caller().tenant, request.agent_id, start, end)
        return pb.Itinerary(
            agent_id=found.agent.agent_id,
            stops=messages.stops(found.stops, owned=sees_owners(request.agent_id)),
            time_zone=found.agent.calendar.time_zone,
        )

    async def VerifyInvariants(
        self, request: pb.VerifyInvariantsRequest, context: Context
    ) -> pb.VerifyInvariantsResponse:
        """Checks the guarantee."""
        report = await verify_invariants(self._ledger, caller().tenant, request.agent_id)
        return pb.VerifyInvariantsResponse(
            agents=report.agents,
            stops=report.stops,
            pairs=report.pairs,
            violations=[
                pb.Violation(
                    agent_id=one.agent_id,
                    earlier_owner_id=one.earlier_owner_id,
                    later_owner_id=one.later_owner_id,
                    kind=one.kind,
                    short_seconds=one.short_seconds,
                )
                for one in report.violations
            ],
        )

    async def ImportMatrix(
        self, request: pb.ImportMatrixRequest, context: Context
    ) -> pb.ImportMatrixResponse:
        """Replaces the tenant's matrix."""
        require_whole()
        return await self._search.import_matrix(request)

    async def ListNowInfeasible(
        self, request: pb.ListNowInfeasibleRequest, context: Context
    ) -> pb.ListNowInfeasibleResponse:
        """A page of the pairs that no longer fit."""
        return await self._search.list_now_infeasible(request)
