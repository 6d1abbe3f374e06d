"""The calls of the servicers that slot search and travel data answer."""

from typing import Protocol

from giro.geo.v1 import geo_pb2, ledger_pb2


class SearchCalls(Protocol):
    """What the servicers hand on."""

    async def search_slots(self, request: ledger_pb2.SearchSlotsRequest) -> ledger_pb2.SearchSlotsResponse:
        """LedgerService.SearchSlots."""
        ...

    async def find_detours(self, request: ledger_pb2.FindDetoursRequest) -> ledger_pb2.FindDetoursResponse:
        """LedgerService.FindDetours."""
        ...

    async def explain_start(self, request: ledger_pb2.ExplainStartRequest) -> ledger_pb2.ExplainStartResponse:
        """LedgerService.ExplainStart."""
        ...

    async def import_matrix(self, request: geo_pb2.ImportMatrixRequest) -> geo_pb2.ImportMatrixResponse:
        """GeoService.ImportMatrix."""
        ...

    async def list_now_infeasible(
        self, request: geo_pb2.ListNowInfeasibleRequest
    ) -> geo_pb2.ListNowInfeasibleResponse:
        """GeoService.ListNowInfeasible."""
        ...
