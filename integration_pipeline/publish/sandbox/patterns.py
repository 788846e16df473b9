"""How a value looks under a number format ("Date & number formats"): the patterns that KPI sheets use."""

import datetime as dt
import re

from integration_pipeline.publish.sandbox.functions import Value, text_of

_PLACES = re.compile(r"(?P<before>[^0#]*)(?P<whole>[#,0]*)(?:\.(?P<part>0+))?(?P<after>.*)")


def formatted(value: Value, pattern: str) -> str:
    """A cell's text."""
    if not isinstance(value, float | int) or isinstance(value, bool):
        return text_of(value)
    if "yyyy" in pattern:
        day = dt.date(1899, 12, 30) + dt.timedelta(days=int(value))
        return pattern.replace("yyyy", f"{day:%Y}").replace("mm", f"{day:%m}").replace("dd", f"{day:%d}")
    if pattern in ("", "General"):
        return text_of(value)
    parts = pattern.split(";")
    chosen = parts[0]
    if len(parts) > 1 and value < 0:
        chosen, value = parts[1], -value
    elif len(parts) > 2 and value == 0:  # noqa: PLR2004 - positive; negative; zero
        chosen = parts[2]
    found = _PLACES.fullmatch(chosen.replace('"', ""))
    if found is None:
        return text_of(value)
    comma = "," if "," in found["whole"] else ""
    return f"{found['before']}{value:{comma}.{len(found['part'] or '')}f}{found['after']}"
