"""Profiles of the week as their messages, and back."""

from collections.abc import Iterator
from itertools import groupby

from geo.domain.profile import FREE_FLOW, HOURS, Profile, profile
from geo.transport import messages
from giro.geo.v1 import travel_profile_pb2 as pb

_DAY = 24


def profile_of(message: pb.TravelProfile) -> Profile:
    """Raises InvalidInput naming the field: an unknown zone, hours that end before they begin, an hour of the
    week that is named twice."""
    speeds: list[int | None] = [None] * HOURS
    for index, hours in enumerate(message.hours):
        for hour in _hours(hours, index):
            if speeds[hour] is not None:
                raise messages.invalid(f"profile.hours[{index}]", "names an hour that was named before")
            speeds[hour] = hours.speed_percent
    return profile(message.time_zone, [FREE_FLOW if speed is None else speed for speed in speeds])


def message_of(week: Profile) -> pb.TravelProfile:
    """The hours that are not driven at 100 per cent, those of days alike together."""
    days: dict[tuple[int, int, int], list[int]] = {}
    for day in range(HOURS // _DAY):
        for stretch in _stretches(week, day):
            days.setdefault(stretch, []).append(day + 1)
    hours = [
        pb.SpeedOfHours(iso_weekdays=weekdays, from_hour=first, until_hour=last, speed_percent=speed)
        for (first, last, speed), weekdays in days.items()
    ]
    return pb.TravelProfile(time_zone=week.time_zone, hours=hours)


def _hours(message: pb.SpeedOfHours, index: int) -> Iterator[int]:
    if message.until_hour <= message.from_hour:
        raise messages.invalid(f"profile.hours[{index}].until_hour", "must be after from_hour")
    for weekday in message.iso_weekdays:
        yield from range((weekday - 1) * _DAY + message.from_hour, (weekday - 1) * _DAY + message.until_hour)


def _stretches(week: Profile, day: int) -> Iterator[tuple[int, int, int]]:
    """Hours of a day that follow each other at one speed: the first, the first after, the speed."""
    of_day = week.speeds[day * _DAY : (day + 1) * _DAY]
    for speed, group in groupby(range(_DAY), key=of_day.__getitem__):
        hours = list(group)
        if speed != FREE_FLOW:
            yield hours[0], hours[-1] + 1, speed
