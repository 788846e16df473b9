"""A tenant's days into its spreadsheet: look, decide, write, all at once or not at all.

A write whose answer was lost is never repeated as it was: the spreadsheet is looked at again first, since the write may have
happened, and a person may have moved things meanwhile.
"""

import datetime as dt
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from integration_pipeline.errors import Misplaced, ProviderError
from integration_pipeline.http.retry import awaited, next_try
from integration_pipeline.publish import changes, placement, seen
from integration_pipeline.publish.cells import letters
from integration_pipeline.publish.formulas import DATE
from integration_pipeline.publish.google import Google
from integration_pipeline.publish.layout import Day, Layout
from integration_pipeline.publish.seen import Seen

log = logging.getLogger(__name__)

ATTEMPTS = 3
_REFUSED = 400

Duplicates = Mapping[str, Mapping[dt.date, Sequence[int]]]
"""Sheet's title → days with several rows, and these rows from 0."""


class Writer:
    """The way into one spreadsheet.

    :param titles: what our sheets were called when they were last seen, by their ids; empty = never seen.
    :param pause: waits so many seconds, for a reason; raises Interrupted.
    :param seconds_left: until the work must have ended.
    """

    def __init__(
        self,
        google: Google,
        spreadsheet_id: str,
        layouts: Sequence[Layout],
        *,
        titles: Mapping[int, str],
        pause: Callable[[float, str], None],
        seconds_left: Callable[[], float],
        rng: random.Random | None = None,
    ) -> None:
        self.titles = dict(titles)
        self._google = google
        self._spreadsheet_id = spreadsheet_id
        self._layouts = layouts
        self._pause = pause
        self._seconds_left = seconds_left
        self._rng = rng or random.SystemRandom()

    def write(self, days: Sequence[Day]) -> Duplicates:
        """Write the days, and set up what is missing; what may help is tried again.

        :raises ProviderError: Google refused or did not answer.
        :raises Misplaced: a sheet is not as it must be, and only a person can say how it should.
        """
        errors: list[ProviderError] = []
        while True:
            try:
                return self._attempt(days)
            except ProviderError as error:
                errors.append(error)
            following = next_try(
                errors[-1], tried=len(errors), attempts=ATTEMPTS, seconds_left=self._seconds_left(), rng=self._rng
            )
            if isinstance(following, ProviderError):
                raise following from (errors[-2] if len(errors) > 1 else following.__cause__)
            log.info("trying again error=%s tried=%d seconds=%.1f", type(errors[-1]).__name__, len(errors), following)
            self._pause(following, awaited(errors[-1], "Google", len(errors), ATTEMPTS))

    def _attempt(self, days: Sequence[Day]) -> Duplicates:
        is_glance = bool(self.titles)
        found = self._look()
        try:
            return self._update(found, days)
        except ProviderError as error:
            if error.status != _REFUSED or not (is_glance and self.titles):
                raise
        # What was not looked at may be in the way: a chart moved to a sheet of its own, a sheet made meanwhile.
        self.titles = {}
        return self._update(self._look(), days)

    def _update(self, found: Seen, days: Sequence[Day]) -> Duplicates:
        made = {
            layout: changes.change(layout, found.sheets.get(layout.sheet_id), found.charts, days)
            for layout in self._layouts
        }
        self._google.update(self._spreadsheet_id, [request for change in made.values() for request in change.requests])
        self.titles = {layout.sheet_id: self._title(layout, found) for layout in self._layouts}
        return {self.titles[layout.sheet_id]: change.duplicates for layout, change in made.items() if change.duplicates}

    def _title(self, layout: Layout, found: Seen) -> str:
        sheet = found.sheets.get(layout.sheet_id)
        return layout.title if sheet is None else sheet.title

    def _look(self) -> Seen:
        """One read where the sheets are as they were; two where they were renamed, deleted or never seen by us."""
        if self.titles:
            found = self._glance(self.titles)
            if found is not None:
                return found
            self.titles = {}
        outline = self._read(fields=seen.ONLY_SHEETS)
        ours = {layout.sheet_id for layout in self._layouts}
        self._check_titles(outline)
        titles = {sheet_id: sheet.title for sheet_id, sheet in outline.sheets.items() if sheet_id in ours}
        if not titles:
            return Seen({}, outline.charts)
        return Seen(self._whole(titles).sheets, outline.charts)

    def _glance(self, titles: Mapping[int, str]) -> Seen | None:
        """The sheets by their titles; None where these are no more what they were."""
        try:
            found = self._whole(titles)
        except ProviderError as error:
            if error.status == _REFUSED:  # "Unable to parse range": there is no sheet of that title
                return None
            raise
        is_same = all(sheet_id in found.sheets for sheet_id in titles)
        return found if is_same else None

    def _whole(self, titles: Mapping[int, str]) -> Seen:
        """The sheets, with the column of their dates: where it is not the first, it is known from the header only."""
        found = self._read(fields=seen.FIELDS, ranges=[r for title in titles.values() for r in seen.ranges(title)])
        columns = {layout.sheet_id: self._date_column(layout, found) for layout in self._layouts}
        if not any(columns.values()):
            return found
        ranges = [r for sheet_id, title in titles.items() for r in seen.ranges(title, letters(columns[sheet_id]))]
        return self._read(fields=seen.FIELDS, ranges=ranges)

    def _date_column(self, layout: Layout, found: Seen) -> int:
        sheet = found.sheets.get(layout.sheet_id)
        return 0 if sheet is None else placement.head(layout, sheet).columns[DATE]

    def _read(self, **asked: Any) -> Seen:
        return seen.read(self._google.get(self._spreadsheet_id, **asked))

    def _check_titles(self, outline: Seen) -> None:
        """A sheet to be made must not meet another of its name: somebody made it, and it is not ours to overwrite."""
        there = {sheet.title.casefold(): sheet_id for sheet_id, sheet in outline.sheets.items()}
        for layout in self._layouts:
            if layout.sheet_id not in outline.sheets and layout.title.casefold() in there:
                raise Misplaced(
                    f'the spreadsheet has a sheet "{layout.title}" that the pipeline did not make',
                    remedy="Rename or delete that sheet; the pipeline then makes its own.",
                )
