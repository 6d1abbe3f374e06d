"""Hooks that schemathesis loads: real ids in place of most made-up ones, so that calls get far.

GIRO_FUZZ_VALUES is a JSON object: a field's name, as it stands in a path, a query or a body, and values that
make sense there. Cases that are meant to be wrong are left as they are.
"""

import json
import os
import zlib
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode

VALUES: dict[str, list[Any]] = json.loads(os.environ.get("GIRO_FUZZ_VALUES", "{}"))

# whole seconds, as the page says; a pattern could not say it without lying about the rest
schemathesis.openapi.format(
    "date-time", st.datetimes().map(lambda moment: moment.replace(microsecond=0).isoformat() + "Z")
)


def _sensible(name: str, value: object) -> object:
    """A sensible value three times out of four, chosen by the made-up one, so that a run can be repeated."""
    known = VALUES.get(name)
    dice = zlib.crc32(repr(value).encode())
    return value if not known or dice % 4 == 0 else known[dice % len(known)]


@schemathesis.hook
def before_call(_: Any, case: Any, __: Any) -> None:
    """Puts sensible values where the case has some."""
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE:
        return
    for values in (case.path_parameters, case.query, case.body):
        if isinstance(values, dict):
            values.update({name: _sensible(name, value) for name, value in values.items()})
