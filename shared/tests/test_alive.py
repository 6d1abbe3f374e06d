"""Streams that are kept alive: all of it in order, errors as they are, and an end when nobody listens."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from kit.rpc.alive import kept_alive

pytestmark = pytest.mark.asyncio


class Told:
    """A stream that goes on as the test lets it; 0 stands for an error."""

    def __init__(self, *messages: int) -> None:
        self.messages, self.go, self.is_closed = messages, asyncio.Event(), False

    async def stream(self) -> AsyncGenerator[int, None]:
        try:
            for message in self.messages:
                await self.go.wait()
                if not message:
                    raise ZeroDivisionError
                yield message
        finally:
            self.is_closed = True


async def test_all_comes_once_in_order_with_signs_of_life_before() -> None:
    told, seen = Told(1, 2, 3), []
    async for message in kept_alive(told.stream(), lambda: -1, 0.01):
        seen.append(message)
        if len(seen) == 3:
            told.go.set()
    signs = [message for message in seen if message == -1]
    assert len(signs) >= 3
    assert [message for message in seen if message != -1] == [1, 2, 3]
    assert told.is_closed


async def test_an_error_comes_after_what_came_before_it() -> None:
    told = Told(1, 2, 0)
    told.go.set()
    stream = kept_alive(told.stream(), lambda: -1, 10)
    assert [await anext(stream), await anext(stream)] == [1, 2]
    with pytest.raises(ZeroDivisionError):
        await anext(stream)
    assert told.is_closed


async def test_it_ends_when_nobody_listens() -> None:
    told = Told(1, 2)
    async with aclosing(kept_alive(told.stream(), lambda: -1, 0.01)) as stream:
        assert await anext(stream) == -1
    assert told.is_closed
