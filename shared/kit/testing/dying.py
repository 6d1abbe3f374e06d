"""Processes that die at a failpoint, in the tests' own process."""

from kit import failpoints


class Died(BaseException):
    """A process that is gone answers nobody and cleans nothing up."""


def die_at(name: str) -> None:
    """Whoever comes to this failpoint next dies there; the one after goes on."""

    async def die() -> None:
        failpoints.disarm(name)
        raise Died

    failpoints.arm(name, die)
