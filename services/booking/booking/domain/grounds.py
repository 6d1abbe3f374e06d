"""What a decision about a slot stands on, read in one statement."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from booking.domain import errors, parameters
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

    `contact_point` is where the contact that was asked for is, if the campaign has it, and `contact_postcode`
    its postcode (empty: unknown); `contact_unpinned` says that the campaign has the contact, but that its
    place has to be pinned first (GEO-18). `agent_works` tells whether the agent that was asked about works
    for the campaign; `absences` are those of both.
    """

    campaign: Campaign
    parameters: Parameters
    now: datetime
    contact_point: LatLng | None = None
    contact_postcode: str = ""
    contact_unpinned: bool = False
    agent_works: bool = False
    absences: Absences = NO_ABSENCES

    @property
    def terms(self) -> Terms:
        """What new appointments of the campaign are judged by."""
        return Terms(self.campaign.package, self.parameters.lead_time)

    def promised(self, start: datetime) -> Window | None:
        """What is promised of the arrival of a visit that is fixed for this start; None: that very start."""
        width: timedelta = self.parameters[parameters.ARRIVAL_WINDOW]
        return Window(start, start + width) if width else None

    def plan(self, agent_id: str, window: Window, point: LatLng, postcode: str | None = None) -> StopPlan:
        """The stop that a new visit of this campaign needs; the postcode is the contact's unless it is told.

        Raises AGENT_NOT_IN_CAMPAIGN, ABSENT.
        """
        if not self.agent_works:
            raise errors.agent_not_in_campaign(agent_id)
        self.absences.require_none(agent_id, window)
        campaign, known = self.campaign, self.contact_postcode if postcode is None else postcode
        promised = self.promised(window.start)
        return StopPlan(agent_id, window, point, campaign.buffer, campaign.skills, known, promised)

    def required_contact_point(self) -> LatLng:
        """Where the contact is: the one way to a place for whatever is suggested, held or booked.

        Raises NotFound naming `contact_id` when the campaign has no such contact, NEEDS_PIN when nobody knows
        well enough where it is.
        """
        if self.contact_unpinned:
            raise errors.needs_pin("contact_id")
        if self.contact_point is None:
            raise errors.not_found("contact", "contact_id")
        return self.contact_point

    def require_contact_at(self, point: LatLng) -> None:
        """Raises InvalidInput naming `contact_id` unless the contact is at the place of the slot."""
        if self.required_contact_point() != point:
            raise errors.invalid("contact_id", "is not at the place that the slot was found for")
