"""The last suggestion and the last hold, so that the next command can say "1" instead of a token."""

import json
from typing import Any

from cli.errors import BadArgument
from cli.settings import cache_file, read_json

Json = dict[str, Any]

FILE = "last.json"


def keep_suggestion(gateway_url: str, campaign: Json, contact_id: str, answer: Json) -> None:
    """Remembers numbered slots and the next page; forgets the last hold."""
    named = {"id": campaign["campaignId"], "time_zone": campaign["timeZone"]}
    page = {"slots": answer["slots"], "next_page": answer.get("nextPageToken", "")}
    _write({"gateway_url": gateway_url, "campaign": named, "contact_id": contact_id, **page})


def next_page(gateway_url: str) -> str:
    """The token of the page after the last suggestion. Raises BadArgument without one."""
    token = str(_read(gateway_url).get("next_page", ""))
    if not token:
        raise BadArgument("the last suggestion has no further page", "suggest first: giro slots suggest")
    return token


def keep_hold(gateway_url: str, hold: Json) -> None:
    """Remembers the hold beside the suggestion that it came from."""
    _write({**_read(gateway_url), "gateway_url": gateway_url, "hold": hold})


def forget_hold(gateway_url: str) -> None:
    """The hold became an appointment or was given back."""
    known = _read(gateway_url)
    known.pop("hold", None)
    _write(known)


def slot(gateway_url: str, number: int) -> Json:
    """Slot `number` (from 1) of the last suggestion. Raises BadArgument."""
    slots = _read(gateway_url).get("slots", [])
    if 1 <= number <= len(slots):
        found: Json = slots[number - 1]
        return found
    have = (
        f"the last suggestion has slots 1 to {len(slots)}"
        if slots
        else "there is no suggestion to choose from"
    )
    raise BadArgument(f"no slot {number}: {have}", "suggest first: giro slots suggest")


def hold_id(gateway_url: str) -> str:
    """The last hold, or an empty text."""
    return str(_read(gateway_url).get("hold", {}).get("holdId", ""))


def contact_id(gateway_url: str) -> str:
    """Whom the last suggestion was for, or an empty text."""
    return str(_read(gateway_url).get("contact_id", ""))


def campaign_id(gateway_url: str) -> str:
    """The campaign of the last suggestion, or an empty text."""
    return str(_read(gateway_url).get("campaign", {}).get("id", ""))


def _read(gateway_url: str) -> Json:
    known = read_json(cache_file(FILE)) or {}
    return known if known.get("gateway_url") == gateway_url else {}


def _write(what: Json) -> None:
    file = cache_file(FILE)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file.touch(mode=0o600)
    file.write_text(json.dumps(what))
