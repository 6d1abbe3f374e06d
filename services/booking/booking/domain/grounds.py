"""What a decision about a slot stands on, read in one statement."""

from dataclasses import dataclass
from datetime import datetime

from booking.domain import errors
from booking.domain.absences import NO_ABSENCES, Absences
from booking.domain.campaign import Campaign
from booking.domain.itinerary import StopPlan
from booking.domain.parameters import Parameters
from booking.domain.policies import Terms
from kit.values.latlng import LatLng
from kit.values.window import Window


@dataclass(frozen=True, slots=True)
class Grounds:
    """A campaign, the parameters that count in it, and the business clock when they were read.

    `contact_point` is where the contact that was asked for is, if the campaign has it; `agent_works` tells
    whether the agent that was asked about works for the campaign; `absences` are those of both.
    """

    campaign: Campaign
    parameters: Parameters
    now: datetime
    contact_point: LatLng | None = None
    agent_works: bool = False
    absences: Absences = NO_ABSENCES

    @property
    def terms(self) -> Terms:
        """What new appointments of the campaign are judged by."""
        return Terms(self.campaign.package, self.parameters.lead_time)

    def plan(self, agent_id: str, window: Window, point: LatLng) -> StopPlan:
        """The stop that a visit of this campaign needs. Raises AGENT_NOT_IN_CAMPAIGN, ABSENT."""
        if not self.agent_works:
            raise errors.agent_not_in_campaign(agent_id)
        self.absences.require_none(agent_id, window)
        return StopPlan(agent_id, window, point, self.campaign.buffer, self.campaign.skills)

    def required_contact_point(self) -> LatLng:
        """Where the contact is. Raises NotFound naming `contact_id` when the campaign has no such contact."""
        if self.contact_point is None:
            raise errors.not_found("contact", "contact_id")
        return self.contact_point

    def require_contact_at(self, point: LatLng) -> None:
        """Raises InvalidInput naming `contact_id` unless the contact is at the place of the slot."""
        if self.required_contact_point() != point:
            raise errors.invalid("contact_id", "is not at the place that the slot was found for")
