"""A publishing's way into spreadsheets: one at a time for each of them, one token for each service account, stopped at once.

tenant -> lock, over all processes -> writer -> hung up on
"""

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

from integration_pipeline.errors import Busy, Interrupted
from integration_pipeline.http.limiter import MAX_WAIT_SECONDS, Pause
from integration_pipeline.pipeline import GOOGLE_SHEETS, GOOGLE_TOKEN, Pipeline
from integration_pipeline.publish.google import Account, Google
from integration_pipeline.publish.layout import layouts
from integration_pipeline.publish.sheets import Writer
from integration_pipeline.store import spreadsheets
from integration_pipeline.store.locks import Purpose
from integration_pipeline.store.people import Tenant
from integration_pipeline.store.spreadsheets import Spreadsheet

POLL_SECONDS = 0.2


@dataclass(slots=True)
class Access:
    """What the workers of one publishing share.

    :param deadline_seconds: how long one spreadsheet may take.
    :param on_wait: told of waits that are worth telling: whose, how many seconds (infinite where nobody knows), what for.
    """

    pipeline: Pipeline
    deadline_seconds: float
    on_wait: Callable[[str, float, str], None] | None = None
    stopping: threading.Event = field(default_factory=threading.Event)
    calls: dict[str, int] = field(default_factory=dict)
    """Requests to the Sheets API, by tenant."""
    _hang_ups: set[Callable[[], None]] = field(default_factory=set)
    _accounts: dict[str, Account] = field(default_factory=dict)
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def exclusively(self, tenant: Tenant) -> AbstractContextManager[None]:
        """The only publishing into this tenant's spreadsheet; another one's end is waited for.

        :raises Busy: it takes too long.
        """
        return self.pipeline.locks.hold(
            tenant.tenant_id,
            spreadsheets.GOOGLE_SHEETS,
            wait=True,
            pause=self._patience(),
            on_wait=lambda: self._waits_for_another(tenant),
            purpose=Purpose.PUBLISH,
            poll_seconds=POLL_SECONDS,
        )

    @contextmanager
    def writer(self, tenant: Tenant, spreadsheet: Spreadsheet) -> Iterator[Writer]:
        """The way into the spreadsheet, hung up on when the publishing is stopped, its calls counted."""
        deadline = self.pipeline.clock() + self.deadline_seconds
        google = self._google(spreadsheet, self._pause(tenant), deadline)
        self._hang_ups.add(google.close)
        try:
            self._wait(0)  # whoever was told to stop just before may not have seen it
            yield Writer(
                google,
                spreadsheet.spreadsheet_id,
                layouts(tenant),
                titles=spreadsheet.titles,
                pause=self._pause(tenant),
                seconds_left=lambda: deadline - self.pipeline.clock(),
            )
        finally:
            self.calls[tenant.tenant_id] = google.calls
            self._hang_ups.discard(google.close)
            google.close()

    def stop(self) -> None:
        """End every wait and every call, those of other threads."""
        self.stopping.set()
        for hang_up in list(self._hang_ups):
            hang_up()

    def _google(self, spreadsheet: Spreadsheet, pause: Pause, deadline: float) -> Google:
        pipeline = self.pipeline
        with self._mutex:
            account = self._accounts.setdefault(
                spreadsheet.key.get_secret_value(),
                Account(spreadsheet.key, pipeline.settings.url(GOOGLE_TOKEN), pipeline.clock),
            )
        return Google(
            account,
            base_url=pipeline.settings.url(GOOGLE_SHEETS),
            limiter=pipeline.limiter_of("google", account.email),
            pause=pause,
            deadline=deadline,
            clock=pipeline.clock,
            now=pipeline.now,
        )

    def _waits_for_another(self, tenant: Tenant) -> None:
        if self.on_wait is not None:
            self.on_wait(tenant.tenant_id, math.inf, "another publishing that is writing this spreadsheet")

    def _pause(self, tenant: Tenant) -> Pause:
        listener = self.on_wait
        told = None if listener is None else lambda seconds, reason: listener(tenant.tenant_id, seconds, reason)
        return Pause(self._wait, on_wait=told)

    def _wait(self, seconds: float) -> None:
        """:raises Interrupted: the publishing was told to stop."""
        if self.pipeline.wait_for(self.stopping, seconds):
            message = "the publishing was stopped"
            raise Interrupted(message)

    def _patience(self) -> Callable[[float], None]:
        """How to wait for another process that writes the same spreadsheet: not for ever."""
        until = self.pipeline.clock() + MAX_WAIT_SECONDS

        def wait(seconds: float) -> None:
            if self.pipeline.clock() >= until:
                raise Busy(
                    "another publishing has been writing this spreadsheet for minutes",
                    remedy="See whether a publishing hangs, end it, and publish again.",
                )
            self._wait(seconds)

        return wait
