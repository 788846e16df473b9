"""Faults at the providers × moments of a night: every provider of the registry, every line of the table."""

import dataclasses
import datetime as dt
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from integration_pipeline import registry
from integration_pipeline.model import Outcome, SyncType
from integration_pipeline.pipeline import utc_now
from integration_pipeline_tests.chaos import invariants, snapshot
from integration_pipeline_tests.chaos.case import Case, Verdict
from integration_pipeline_tests.chaos.faults import FAULTS, Fault
from integration_pipeline_tests.chaos.ground import Ground, reconnect
from integration_pipeline_tests.nights import Nights

MOMENTS = (
    "token", "first page", "middle page", "last page", "last of the teams", "last of the settings",
)  # fmt: skip
"""As ``ground.py`` finds them in a peaceful night."""

NIGHTS = ("any night", "a night that reads all anew", "the first night")
"""What the database knows before: the last of these, nothing; the second, everything but where listings go on."""

Outcomes = Mapping[tuple[str, str, SyncType], Outcome]


def cases(rng: random.Random) -> Iterator[Case]:
    for fault in FAULTS:
        for moment in MOMENTS:
            for system in map(str, registry.FOLDERS):
                night = rng.choice(NIGHTS)
                stays = rng.random() < 0.5 and not fault.is_slow
                how = f"{moment}, {'for ever' if stays else 'once'}, {night}"
                play = partial(_play, fault, moment, system, night, stays=stays)
                yield Case("provider", fault.name, how, system, play)


def _play(fault: Fault, moment: str, system: str, night_before: str, ground: Ground, *, stays: bool) -> Verdict:
    prepared, truth, world = ground.prepared(system), ground.truth(system), ground.second_world(system)
    template = dict(zip(NIGHTS, (prepared.settled, prepared.forgetful, prepared.known), strict=True))[night_before]
    route, nth = prepared.moments[template][moment]
    with ground.night(template, world) as (night, url):
        before = snapshot.take(url)
        described = {"system": system, "route": route, "nth": nth, "times": None if stays else 1}
        night.sandbox.faults.add(fault.action, **described, **fault.settings())
        with _patience(night, fault):
            outcomes = night.run(force_refresh=True)
        after = snapshot.take(url)
        broken = invariants.broken(before, after, truth, is_lied_to=fault.is_lie)
        broken += invariants.told_otherwise(outcomes.values(), after)
        if [request.route for request in night.sandbox.requests.log].count(route) < nth:
            broken.append(invariants.NOT_TRIED)
        night.sandbox.faults.clear()
        broken += _mended(night, fault, moment)
        broken += invariants.unlike(snapshot.take(url), truth)
    return Verdict(invariants.statuses(outcomes), broken)


def _mended(night: Nights, fault: Fault, moment: str) -> Iterator[str]:
    """The next night is well by itself; where credentials are gone it says so, and is well once a person has acted."""
    night.time.seconds += 86_400
    if fault.is_lie:
        # What was left out of the changes comes with the next whole listing, a week later at most.
        night.pipeline.now = lambda: utc_now() + dt.timedelta(days=8)
    outcomes = night.run(force_refresh=True)
    if invariants.statuses(outcomes) == "unharmed":
        return
    is_for_a_person = fault.ends_credentials or (moment == "token" and fault.takes_effect)
    if not is_for_a_person:
        yield f"the next night was not well: {_said(outcomes)}"
        return
    if any(outcome.error_type != "AUTH_ERROR" or not outcome.remedy for outcome in outcomes.values()):
        yield f"a person must act, and is not told: {_said(outcomes)}"
    reconnect(night)
    outcomes = night.run(force_refresh=True)
    if invariants.statuses(outcomes) != "unharmed":
        yield f"not even a reconnection helped: {_said(outcomes)}"


def _said(outcomes: Outcomes) -> str:
    return "; ".join(
        f"{outcome.sync_type} {outcome.status} {outcome.error_type}: {outcome.error_message} ({outcome.remedy})"
        for outcome in outcomes.values()
        if outcome.status != "SUCCESS"
    )


@contextmanager
def _patience(night: Nights, fault: Fault) -> Iterator[None]:
    """Time out after a second, where nothing else would end it: a busy machine may need more for what does come."""
    patient = night.pipeline.adjust
    if fault.is_slow:
        night.pipeline.adjust = lambda connection: dataclasses.replace(connection, timeout_seconds=1)
    try:
        yield
    finally:
        night.pipeline.adjust = patient
