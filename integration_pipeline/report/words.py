"""The languages of reports: their words, and how they write numbers, days and spans of time."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from integration_pipeline.report import phrases
from integration_pipeline.report.sentences import japanese
from integration_pipeline.text import UNKNOWN

JA, EN = "ja", "en"
CATALOGUE: Mapping[str, Mapping[str, str]] = {JA: phrases.JA, EN: phrases.EN}

_MINUTE = 60


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one language, and how it writes numbers, days and spans of time."""

    language: str

    def __call__(self, key: str, **values: str) -> str:
        """The words under a key, with values in their places.

        :raises KeyError: there are no such words, which is a mistake in the program.
        """
        found = CATALOGUE[self.language][key]
        return found.format(**values) if values else found

    def count(self, key: str, number: int, **values: str) -> str:
        """The words for so many, ``{n}`` in them: the form for one stands before a bar, where a language has it."""
        one, _, more = CATALOGUE[self.language][key].partition("|")
        return (one if number == 1 or not more else more).format(n=f"{number:,}", **values)

    def get(self, key: str) -> str | None:
        """The same, where there may be none."""
        return CATALOGUE[self.language].get(key)

    def sentence(self, english: str) -> str | None:
        """What the pipeline said of an error, which is stored in English; None where only that is known."""
        return english if self.language == EN else japanese(english)

    def list(self, items: Iterable[str]) -> str:
        return self("and").join(items)

    def day(self, day: dt.date, form: str = "day") -> str:
        """A day; ``form`` is ``day``, ``day.short`` or ``month``."""
        values = {"year": f"{day.year}", "month": f"{day.month}", "day": f"{day.day}"}
        names = {"weekday": self("weekdays").split()[day.weekday()], "name": self("months").split()[day.month - 1]}
        return self(form).format(**values, **names)

    def percent(self, share: float | None) -> str:
        """A share of 1 as per cent, as a dash where it is unknown; 0 and 100 are said of nothing that only comes near."""
        if share is None:
            return UNKNOWN
        shown = 100 * share if share in {0, 1} else min(max(100 * share, 0.1), 99.9)
        return self("percent", number=f"{shown:.1f}")

    def span(self, seconds: float) -> str:
        """How long something took."""
        if round(seconds, 1) < _MINUTE:
            return self("seconds", seconds=f"{seconds:.1f}")
        minutes, rest = divmod(round(seconds), _MINUTE)
        if minutes < _MINUTE:
            return self("minutes", minutes=f"{minutes}", seconds=f"{rest}")
        hours, minutes = divmod(round(seconds / _MINUTE), _MINUTE)
        return self("hours", hours=f"{hours:,}", minutes=f"{minutes}")


def language(locales: Iterable[str]) -> str:
    """The language of most of the locales (``ja``, ``en-US`` …); Japanese where as many speak it, or there is none.

    A locale that is neither is read in English.
    """
    spoken = [locale.lower().replace("_", "-").split("-")[0] == JA for locale in locales]
    return JA if 2 * sum(spoken) >= len(spoken) else EN
