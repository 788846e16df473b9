"""Tells people of what only they can mend, beside the work: it neither blocks nor fails it (requirement A13).

woken -> claim what is due in the ledger -> log, webhook -> delivered, or due again

What could not be delivered is tried again while the process lives, and by the next one that opens the pipeline.
"""

import datetime as dt
import json
import logging
import threading
from collections.abc import Callable
from typing import Protocol, Self
from uuid import UUID

import psycopg

from integration_pipeline.errors import Interrupted, ProviderError
from integration_pipeline.notices import Told
from integration_pipeline.store import notices
from integration_pipeline.store.engine import Database

logger = logging.getLogger(__name__)

GRACE_SECONDS = 5.0
"""How long the end of the process waits for what is under way; what is left stays due."""
HANG_UP_SECONDS = 0.5
"""How long after that until a claim is given back."""
AGAIN_SECONDS = 60.0
"""How long a receiver that is down is left alone."""


class Receiver(Protocol):
    """Who takes a notice, once or, where an answer was lost, more than once."""

    def __call__(self, told: Told) -> None:
        """:raises ProviderError: it was not taken; retryable if it may be later."""

    def close(self) -> None:
        """End what is under way, from any thread; it raises Interrupted there."""


class Log:
    """The receiver that is always there: one structured line."""

    def __call__(self, told: Told) -> None:
        logger.warning(
            "critical notice=%s tenant=%s system=%s cause=%s code=%s message=%s remedy=%s",
            *(told.notice_id, told.tenant_id, told.system_type, told.cause, told.provider_code),
            *(json.dumps(text, ensure_ascii=False) for text in (told.message, told.remedy)),
        )

    def close(self) -> None:
        """Nothing is ever under way."""


class Notifier:
    """One thread, which is there once something is due.

    :param receiver: who is told beside the log.
    :param now: an aware clock.
    """

    def __init__(self, database: Database, *, now: Callable[[], dt.datetime], receiver: Receiver | None = None) -> None:
        self._database = database
        self._now = now
        self._receiver = receiver
        self._log = Log()
        self._refused: set[UUID] = set()
        """What the receiver will not take, whatever the hour: the next process asks again."""
        self._woken = threading.Event()
        self._is_closing = False
        self._mutex = threading.Lock()
        # A daemon: nobody waits for a thread that does not hear.
        self._thread = threading.Thread(target=self._work, name="notifier", daemon=True)

    def wake(self) -> None:
        """Something may be due: look, soon."""
        with self._mutex:
            if self._is_closing:
                return
            if self._thread.ident is None:
                try:
                    self._thread.start()
                except RuntimeError:  # the system gives no more threads now: what is due is due when it is woken again
                    logger.warning("notices stay due error=no thread can be started")
                    return
        self._woken.set()

    def close(self, *, grace_seconds: float = GRACE_SECONDS) -> None:
        """Deliver what is due, as long as the grace lasts."""
        with self._mutex:
            self._is_closing = True
        self._woken.set()
        if self._thread.ident is not None:
            self._thread.join(grace_seconds)
        if self._receiver is not None:
            self._receiver.close()
        if self._thread.is_alive():
            self._thread.join(HANG_UP_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        is_told_to_stop = kind is not None and not issubclass(kind, Exception)
        self.close(grace_seconds=0.0 if is_told_to_stop else GRACE_SECONDS)

    def _work(self) -> None:
        is_down = is_lost = False
        while True:
            self._woken.wait(AGAIN_SECONDS if is_down or is_lost else None)
            self._woken.clear()
            is_last, is_lost = self._is_closing, False
            try:
                # Whoever was down a moment ago is not waited for at the end; what is new is in the log all the same.
                is_down = self._deliver_due(is_down=is_down and is_last)
            except Interrupted:
                return
            except psycopg.Error as error:
                is_lost = True
                logger.warning("notices stay due error=%s", type(error).__name__)
            if is_last:
                return

    def _deliver_due(self, *, is_down: bool) -> bool:
        """Deliver what is due, what was tried least first; while the receiver is down, only what nobody has heard of yet, to the log.

        :returns: whether the receiver is down.
        """
        done = set(self._refused)
        while (told := self._claim(done, is_unsaid=is_down)) is not None:
            done.add(told.notice_id)
            # Whoever died with it may have said it or not: twice is better than never.
            if told.last_error is None:
                self._log(told)
            if is_down:
                notices.failed(self._database, told, "the receiver is down")
            else:
                is_down = not self._deliver(told)
        return is_down

    def _claim(self, but: set[UUID], *, is_unsaid: bool) -> Told | None:
        return notices.claim(self._database, at=self._now(), but=but, is_unsaid=is_unsaid)

    def _deliver(self, told: Told) -> bool:
        """Deliver one; says whether the receiver is there."""
        try:
            if self._receiver is not None:
                self._receiver(told)
        except Interrupted:
            notices.failed(self._database, told, "the process ended")
            raise
        except ProviderError as error:
            notices.failed(self._database, told, str(error))
            logger.warning("notice not delivered notice=%s error=%s", told.notice_id, error)
            if not error.is_retryable:
                self._refused.add(told.notice_id)
            return not error.is_retryable
        notices.delivered(self._database, told, at=self._now())
        return True
