"""The edge where agents are hidden from callers who shall not learn them (GEO-09), for every RPC of booking.

The contract's marks (`giro.common.v1.of_agent`) say which fields tell of an agent. What a use case answers is
looked through before it leaves: a marked field is cleared and an agent's id anywhere else taken out, wherever
the campaign that it belongs to hides its agents from the caller. A request in which such a caller names an
agent is refused, and a refusal says nothing of one either. Whoever is shown all agents pays nothing for it.
"""

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from booking.domain import veil
from booking.domain.veil import Sight
from booking.usecases.desk import Desk
from booking.usecases.telling import agents_hidden, sees_all_agents, sight
from giro.common.v1 import veil_pb2
from kit.errors import GiroError


class Veiled:
    """A servicer as callers reach it."""

    def __init__(self, desk: Desk, servicer: object) -> None:
        self._desk, self._servicer = desk, servicer

    def __getattr__(self, name: str) -> Callable[[Message, Any], Any]:
        """The RPC of this name behind the veil."""
        behavior = getattr(self._servicer, name)
        if inspect.isasyncgenfunction(behavior):
            return self._streamed(behavior)
        return self._answered(behavior)

    def _answered(self, behavior: Callable[..., Any]) -> Callable[[Any, Any], Any]:
        async def answered(request: Any, context: Any) -> Message:
            call = _Call(self._desk, request)
            await call.admit()
            try:
                answer: Message = await behavior(request, context)
            except GiroError as error:
                raise await call.refusal(error) from error
            return await call.veiled(answer)

        return answered

    def _streamed(self, behavior: Callable[..., Any]) -> Callable[[Any, Any], Any]:
        async def streamed(request: Any, context: Any) -> AsyncIterator[Message]:
            call = _Call(self._desk, request)
            await call.admit()
            try:
                async for answer in behavior(request, context):
                    yield await call.veiled(answer)
            except GiroError as error:
                raise await call.refusal(error) from error

        return streamed


@dataclass(frozen=True, slots=True)
class _Telling:
    """One field that tells of an agent, in the message of a campaign (empty: of none that is known)."""

    message: Message
    field: FieldDescriptor
    campaign_id: str
    agents: tuple[str, ...]

    def hidden(self, seen: Sight, campaign_id: str) -> bool:
        """Whether the caller shall not learn it; `campaign_id` counts where the message names none."""
        campaign = self.campaign_id or campaign_id
        return any(seen.hides(campaign, agent) for agent in self.agents or ("",))


class _Call:
    """One call of somebody: what the caller sees is read once, and only when something tells of an agent."""

    def __init__(self, desk: Desk, request: Any) -> None:
        self._desk = desk
        self._request = request if isinstance(request, Message) else None  # an upload is a stream of parts
        self._known: tuple[Sight, str] | None = None

    async def admit(self) -> None:
        """Raises NotAllowed (OUT_OF_SCOPE) when the request names an agent hidden from the caller."""
        if self._request is None or sees_all_agents():
            return
        named = [one for one in _marked(self._request) if _mark(one.field)]
        if named and await self._hides(named):
            raise agents_hidden()

    async def veiled(self, answer: Message) -> Message:
        """The answer as the caller may see it."""
        if sees_all_agents() or next(_marked(answer), None) is None:
            return answer
        seen, campaign = await self._sight()
        if seen.hides_nothing:
            return answer
        for one in list(_marked(answer)):
            if one.hidden(seen, campaign):
                _clear(one)
        return answer

    async def refusal(self, error: GiroError) -> GiroError:
        """The refusal as the caller may hear it."""
        if sees_all_agents() or not veil.tells(error):
            return error
        seen, campaign = await self._sight()
        return veil.blind(error) if seen.hides(campaign) else error

    async def _hides(self, named: list[_Telling]) -> bool:
        seen, campaign = await self._sight()
        return any(one.hidden(seen, campaign) for one in named)

    async def _sight(self) -> tuple[Sight, str]:
        if self._known is None:
            seen, of_appointment = await sight(self._desk, _text(self._request, "appointment_id"))
            self._known = seen, _campaign(self._request) or of_appointment
        return self._known


@dataclass(frozen=True, slots=True)
class _Look:
    """A field that may tell of an agent: by its mark, by a text in it, or by a message in it."""

    field: FieldDescriptor
    name: str
    mark: int
    has_presence: bool
    texts: bool
    messages: bool


def _marked(message: Message, campaign_id: str = "") -> Iterator[_Telling]:
    """Every set field that tells of an agent: marked ones, and texts with an agent's id."""
    campaign_id = _text(message, "campaign_id") or campaign_id
    for look in _looks(message.DESCRIPTOR):
        if look.has_presence and not message.HasField(look.name):
            continue
        value = getattr(message, look.name)
        if not look.has_presence and not value:
            continue
        if look.mark or (look.texts and _names_an_agent(look.field, value)):
            yield _Telling(message, look.field, campaign_id, _agents(message))
        elif look.messages:
            for inner in _messages(look.field, value):
                yield from _marked(inner, campaign_id)


@cache
def _looks(descriptor: Descriptor) -> tuple[_Look, ...]:
    """The fields of a kind of message that may tell of an agent; lists have many rows of many others."""
    return tuple(_look(field) for field in descriptor.fields if _tells(field, frozenset()))


def _look(field: FieldDescriptor) -> _Look:
    inner = field.message_type
    is_map = inner is not None and inner.GetOptions().map_entry
    return _Look(
        field=field,
        name=field.name,
        mark=_mark(field),
        has_presence=field.has_presence,
        texts=field.type == FieldDescriptor.TYPE_STRING or is_map,
        messages=inner is not None,
    )


def _tells(field: FieldDescriptor, seen: frozenset[str]) -> bool:
    """Whether a field, or one inside it, is marked or a text; `seen` are the messages around it."""
    inner = field.message_type
    if _mark(field) or field.type == FieldDescriptor.TYPE_STRING:
        return True
    if inner is None or inner.full_name in seen:
        return False
    return any(_tells(one, seen | {inner.full_name}) for one in inner.fields)


def _messages(field: FieldDescriptor, value: Any) -> Iterator[Message]:
    if field.message_type.GetOptions().map_entry:
        found = value.values()
    else:
        found = value if field.is_repeated else (value,)
    return (one for one in found if isinstance(one, Message))


def _names_an_agent(field: FieldDescriptor, value: Any) -> bool:
    if isinstance(value, str):
        return veil.names_an_agent(value)
    return any(veil.names_an_agent(text) for text in _texts(field, value))


def _texts(field: FieldDescriptor, value: Any) -> list[str]:
    """The texts in a field of several: a list's, a map's keys and values."""
    if field.type == FieldDescriptor.TYPE_STRING:
        return list(value)
    return [text for text in (*value.keys(), *value.values()) if isinstance(text, str)]


def _agents(message: Message) -> tuple[str, ...]:
    """The agents whom a message is about, where it names them."""
    several = [str(one) for one in getattr(message, "agent_ids", ())]
    one = _text(message, "agent_id")
    return (*several, one) if one else tuple(several)


def _clear(told: _Telling) -> None:
    message, field = told.message, told.field
    value = getattr(message, field.name)
    if _mark(field) == veil_pb2.OF_AGENT_REASON:
        setattr(message, field.name, veil.reason(value))
    elif _mark(field) or field.message_type is not None:
        message.ClearField(field.name)
    elif field.is_repeated:
        value[:] = [veil.unnamed(text) for text in value]
    else:
        setattr(message, field.name, veil.unnamed(value))


def _campaign(request: Message | None) -> str:
    """The campaign that a request names: itself, or the time that it chose."""
    if request is None:
        return ""
    return _text(request, "campaign_id") or _text(getattr(request, "time", None), "campaign_id")


def _text(message: object, name: str) -> str:
    value = getattr(message, name, "")
    return value if isinstance(value, str) else ""


@cache
def _mark(field: FieldDescriptor) -> int:
    """What the contract says of a field."""
    return int(field.GetOptions().Extensions[veil_pb2.of_agent])
