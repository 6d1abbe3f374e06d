"""OSRM over HTTP (`osrm-routed`), as it runs in a cluster: a version in every answer, or none is taken."""

import re
from collections.abc import Sequence
from typing import Any, Final

from geo.domain.modes import TravelMode
from geo.travel.osrm_answers import ANCHORS, lng_lat, table_of
from geo.travel.roads import Table, credible
from kit.web.json_server import Answer, JsonServer, Nonsense, Question

_BYTES_A_CELL: Final = 64
_BYTES_A_PLACE: Final = 4096
"""Names of streets are as long as people make them."""

_VERSION: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")

_PROBE: Final = ((0.0, 0.0), (0.0, 0.0))


class OsrmServer:
    """A server that was given a graph with a data version (`giro roads build`, or `osrm-extract
    --data_version`), so that a new graph behind the same address is noticed with its first answer.

    `mode` is that of the graph, which no answer names. `most_places` is the server's `--max-table-size`.
    """

    at_once: Final = 4

    def __init__(
        self, server: JsonServer, *, most_places: int = 100, mode: TravelMode = TravelMode.CAR
    ) -> None:
        self.server, self.mode = server, mode
        self.most_places = most_places - len(ANCHORS)
        self.version = ""

    async def heard(self) -> None:
        """Asks for nothing but the version. Raises Unavailable."""
        await self.server.ask(_question(_PROBE, 1, 1), self._told)

    async def table(self, froms: Sequence[int], tos: Sequence[int]) -> Table:
        """The drives at free flow. Raises Unavailable."""

        def read(answer: Answer) -> Table:
            return credible(table_of(self._told(answer), (len(froms), len(tos))), froms, tos)

        return await self.server.ask(_question(lng_lat([*froms, *tos]), len(froms), len(tos)), read)

    async def close(self) -> None:
        """Ends the connections."""
        await self.server.close()

    def _told(self, answer: Answer) -> dict[str, Any]:
        """The document of a good answer, with the version noted. Raises Nonsense."""
        document = answer.document
        if not isinstance(document, dict):
            raise Nonsense("no JSON object")
        if document.get("code") == "TooBig":
            raise Nonsense(f"takes fewer than {self.most_places + len(ANCHORS)} places (--max-table-size)")
        if answer.status != 200 or document.get("code") != "Ok":
            raise Nonsense(f"status {answer.status}, code {document.get('code')!r}")
        version = document.get("data_version")
        if not isinstance(version, str) or not _VERSION.fullmatch(version):
            raise Nonsense("it names no data_version; prepare its graph with `giro roads build`")
        self.version = f"osrm-{version}-{self.mode}"
        return document


def _question(places: Sequence[tuple[float, float]], froms: int, tos: int) -> Question:
    coordinates = ";".join(f"{lng:.6f},{lat:.6f}" for lng, lat in (*ANCHORS, *places))
    first, last = len(ANCHORS), len(ANCHORS) + froms
    return Question(
        path=f"/table/v1/driving/{coordinates}",
        params={
            "sources": ";".join(map(str, range(first, last))),
            "destinations": ";".join(map(str, range(last, last + tos))),
            "annotations": "duration,distance",
            "generate_hints": "false",
        },
        most_bytes=froms * tos * _BYTES_A_CELL + (froms + tos + 1) * _BYTES_A_PLACE,
    )
