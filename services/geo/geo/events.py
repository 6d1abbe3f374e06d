"""Everything that geo publishes: domain to contract, one function an event."""

from geo.domain.owner import Ending
from geo.domain.plan import Held
from geo.domain.promise import InfeasiblePair
from giro.geo.v1 import geo_events_pb2 as pb
from kit.db.uow import Tx


def hold_placed(tx: Tx, held: Held) -> None:
    """A slot is kept."""
    event = pb.HoldPlaced(hold_id=held.hold_id, agent_id=held.plan.agent_id)
    event.start.FromDatetime(held.plan.window.start)
    event.end.FromDatetime(held.plan.window.end)
    tx.emit("hold_placed", held.hold_id, event)


def hold_ended(tx: Tx, hold_id: str, agent_id: str, how: Ending) -> None:
    """A hold is gone; exactly one for every hold."""
    tx.emit("hold_ended", hold_id, pb.HoldEnded(hold_id=hold_id, agent_id=agent_id, outcome=how))


def stop_released(tx: Tx, appointment_id: str, agent_id: str) -> None:
    """An appointment's stop is free again."""
    tx.emit(
        "stop_released", appointment_id, pb.StopReleased(appointment_id=appointment_id, agent_id=agent_id)
    )


def at_risk(tx: Tx, pair: InfeasiblePair, travel_version: str) -> None:
    """Present travel data would not allow a promised pair."""
    event = pb.AtRisk(
        agent_id=pair.promise.agent_id,
        earlier_owner_id=pair.promise.earlier_owner_id,
        later_owner_id=pair.promise.later_owner_id,
        short_seconds=pair.short_seconds,
        travel_version=travel_version,
    )
    tx.emit("at_risk", pair.promise.agent_id, event)
