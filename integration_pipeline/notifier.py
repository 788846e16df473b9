"""Tells people of what only they can mend, beside the work: it neither blocks nor fails it (requirement A13).

woken -> claim what nobody has said yet in the ledger -> log -> claim what was said -> webhook -> delivered, or due again

Two threads, so that no receiver, however slow, keeps anything from the log. What could not be delivered is tried again while the process lives, and by the next one that opens the pipeline.
"""

import datetime as dt
import json
import logging
import threading
import time
import traceback
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
            *(told.notice_id, told.tenant_id, told.system_type, told.cause, told.provider_code or "–"),
            *(json.dumps(text, ensure_ascii=False) for text in (told.message, told.remedy)),
        )

    def close(self) -> None:
        """Nothing is ever under way."""


class Notifier:
    """Says what is due in the log, and sends it to the receiver if there is one.

    :param receiver: who is told beside the log.
    :param now: an aware clock.
    """

    def __init__(self, database: Database, *, now: Callable[[], dt.datetime], receiver: Receiver | None = None) -> None:
        self._database = database
        self._now = now
        self._receiver = receiver
        self._log = Log()
        self._is_down = False
        self._refused: set[UUID] = set()
        """What the receiver will not take, whatever the hour: the next process asks again."""
        self._speaker = _Worker("notifier", self._say)
        self._sender = _Worker("notifier-sender", self._send)

    def wake(self) -> None:
        """Something may be due: look, soon."""
        self._speaker.wake()

    def close(self, *, grace_seconds: float = GRACE_SECONDS) -> None:
        """Deliver what is due, as long as the grace lasts."""
        until, is_cut_short = time.monotonic() + grace_seconds, not grace_seconds
        self._speaker.close(grace_seconds, is_cut_short=is_cut_short)
        self._sender.close(max(0.0, until - time.monotonic()), is_cut_short=is_cut_short)
        if self._receiver is not None:
            self._receiver.close()
        self._sender.join(HANG_UP_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        is_told_to_stop = kind is not None and not issubclass(kind, Exception)
        self.close(grace_seconds=0.0 if is_told_to_stop else GRACE_SECONDS)

    def _say(self, *, is_last: bool) -> bool:  # noqa: ARG002 - the end makes no difference to a log
        """Put into the log what nobody has said yet. Whoever died with it may have: twice is better than never."""
        said = False
        while (told := notices.claim(self._database, at=self._now())) is not None:
            self._log(told)
            if self._receiver is None:
                notices.delivered(self._database, told, at=self._now())
            else:
                notices.said(self._database, told)
            said = True
        if self._receiver is not None and (said or not self._sender.has_begun):
            self._sender.wake()
        return False

    def _send(self, *, is_last: bool) -> bool:
        """Deliver what was said, what was tried least first, until the receiver is down; returns whether it is."""
        if self._is_down and is_last:
            return True  # whoever was down a moment ago is not waited for at the end
        self._is_down = False
        done = set(self._refused)
        while not self._is_down:
            told = notices.claim(self._database, at=self._now(), but=done, is_said=True)
            if told is None:
                break
            done.add(told.notice_id)
            self._is_down = not self._deliver(told)
        return self._is_down

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


class Round(Protocol):
    """A worker's work, once through."""

    def __call__(self, *, is_last: bool) -> bool:
        """Returns whether something is left that may work in a while.

        :param is_last: whether the process is about to end.
        :raises Interrupted: there is no going on.
        """


class _Worker:
    """A thread, there once it is woken, that goes its round whenever it is, and again in a while where something is left."""

    def __init__(self, name: str, do_round: Round) -> None:
        self._round = do_round
        self._woken = threading.Event()
        self._is_closing = False
        self._is_cut_short = False
        self._mutex = threading.Lock()
        # A daemon: nobody waits for a thread that does not hear.
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    @property
    def has_begun(self) -> bool:
        return self._thread.ident is not None

    def wake(self) -> None:
        with self._mutex:
            if self._is_closing:
                return
            if not self.has_begun:
                try:
                    self._thread.start()
                except RuntimeError:  # the system gives no more threads now: what is due is due when it is woken again
                    logger.warning("notices stay due error=no thread can be started")
                    return
        self._woken.set()

    def close(self, grace_seconds: float, *, is_cut_short: bool) -> None:
        """Let it go its last round, and wait so long for that.

        :param is_cut_short: there is no time for a last round, nor for the end of this one: what is due stays due.
        """
        with self._mutex:
            self._is_closing = True
            self._is_cut_short = is_cut_short
        self._woken.set()
        self.join(grace_seconds)

    def join(self, seconds: float) -> None:
        if self.has_begun:
            self._thread.join(seconds)

    def _work(self) -> None:
        is_left = False
        while True:
            self._woken.wait(AGAIN_SECONDS if is_left else None)
            self._woken.clear()
            is_last = self._is_closing
            if self._is_cut_short:
                return
            try:
                is_left = self._round(is_last=is_last)
            except Interrupted:
                return
            except psycopg.Error as error:
                if self._is_cut_short:
                    return  # the database was closed under it
                is_left = True
                logger.warning("notices stay due error=%s", type(error).__name__)
            except Exception as error:  # noqa: BLE001 - a thread's edge: a defect with one notice must not silence the others
                is_left = True
                # Where, and without the exception's own text, which may quote what it stumbled over.
                trace = "".join(traceback.format_tb(error.__traceback__))
                logger.error("defect notices stay due error=%s\n%s", type(error).__name__, trace)  # noqa: TRY400
            if is_last:
                return
