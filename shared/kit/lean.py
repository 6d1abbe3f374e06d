"""Packages of others without the optional ones that they import wherever those happen to be installed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without(*packages: str) -> Iterator[None]:
    """What is imported in here finds these packages missing, unless the process has them already.

    A service that serves all day need not carry megabytes that it never calls. Whoever wants them imports
    them later as usual.
    """
    hidden = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: "do not import this"
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
