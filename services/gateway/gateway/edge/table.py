"""Which RPC a verb and a path mean, and the shape its input has to have; compiled once at start."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.contract import PublicRpc
from gateway.edge.shapes import Shape

VARIABLE: Final = ""
"""Stands for a variable among a template's segments; an empty segment of a path does not match it."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One RPC as the edge sees it: `shape` is what its body or query may hold."""

    rpc: PublicRpc
    shape: Shape


@dataclass(frozen=True, slots=True)
class Match:
    """What serves a path: an operation for each verb, and the path's variables in order."""

    operations: Mapping[str, Operation]
    variables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Template:
    segments: tuple[str, ...]
    operations: dict[str, Operation]

    def variables(self, segments: tuple[str, ...]) -> tuple[str, ...] | None:
        found: list[str] = []
        for mine, theirs in zip(self.segments, segments, strict=True):
            if mine == VARIABLE and theirs:
                found.append(theirs)
            elif mine != theirs or mine == VARIABLE:
                return None
        return tuple(found)


class Table:
    """The operations by path."""

    def __init__(self, rpcs: Iterable[PublicRpc]) -> None:
        self._by_action: dict[tuple[str, int], list[_Template]] = {}
        for rpc in rpcs:
            shape = Shape(rpc.request, without=rpc.path_fields)
            self._template(rpc).operations[rpc.verb] = Operation(rpc, shape)

    def find(self, path: str) -> Match | None:
        """What serves `path` (no query; percent escapes of variables are not undone), or None."""
        action, segments = _split(path)
        for template in self._by_action.get((action, len(segments)), ()):
            variables = template.variables(segments)
            if variables is not None:
                return Match(template.operations, variables)
        return None

    def _template(self, rpc: PublicRpc) -> _Template:
        action, segments = _split(rpc.template)
        blank = tuple(VARIABLE if part.startswith("{") else part for part in segments)
        siblings = self._by_action.setdefault((action, len(blank)), [])
        for template in siblings:
            if template.segments == blank:
                return template
        siblings.append(_Template(blank, {}))
        return siblings[-1]


def _split(path: str) -> tuple[str, tuple[str, ...]]:
    """The action after the last segment's colon, and the segments: /v1/slots:hold is "hold" of v1, slots."""
    segments = path.split("/")[1:]
    last, _, action = segments[-1].partition(":") if segments else ("", "", "")
    return action, (*segments[:-1], last)
