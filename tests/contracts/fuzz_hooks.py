"""Hooks that schemathesis loads: real ids in place of most made-up ones, so that calls get far.

GIRO_FUZZ_IDS is a JSON object: a field's name in either spelling, and ids that exist.
"""

import json
import os
import zlib
from typing import Any

import schemathesis

IDS: dict[str, list[str]] = json.loads(os.environ.get("GIRO_FUZZ_IDS", "{}"))


def _real(name: str, value: object) -> object:
    """A real id three times out of four, chosen by the made-up one, so that a run can be repeated."""
    known = IDS.get(name)
    dice = zlib.crc32(repr(value).encode())
    if not known or not isinstance(value, str) or dice % 4 == 0:
        return value
    return known[dice % len(known)]


def _with_real_ids(values: Any) -> Any:
    if isinstance(values, dict):
        return {name: _real(name, value) for name, value in values.items()}
    return values


@schemathesis.hook
def map_path_parameters(_: Any, path_parameters: Any) -> Any:
    """Ids in the path."""
    return _with_real_ids(path_parameters)


@schemathesis.hook
def map_query(_: Any, query: Any) -> Any:
    """Ids in the query."""
    return _with_real_ids(query)


@schemathesis.hook
def map_body(_: Any, body: Any) -> Any:
    """Ids at the top of a body."""
    return _with_real_ids(body)
