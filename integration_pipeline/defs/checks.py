"""Asset checks over all tenants, from the history: what failed, what is partial, what is stale, who is not matched.

A check that knows partitions is not ready in Dagster 1.13, so each speaks of every tenant and names those that are not
well in a table. Runs evaluate them at their end, whatever their outcome, and the sensor evaluates freshness, which goes
bad exactly when nothing runs.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from integration_pipeline.defs import rendering
from integration_pipeline.defs.lines import MAPPINGS, SYNCED, Coverage, Held, Line, Token
from integration_pipeline.model import Status

if TYPE_CHECKING:  # loading the definitions must not load the database's driver
    from integration_pipeline.store.engine import Database

FAILED = "no_failed_syncs"
PARTIAL = "no_partial_syncs"
FRESH = "fresh"
COVERED = "mapping_coverage"
TOKENS = "tokens_last"
HELD = "no_holds_waiting"

FRESH_FOR = dt.timedelta(hours=26)
"""A night, and two hours for it to end in."""

TOKEN_WARNING = dt.timedelta(days=7)
"""How long before its end a token that only a person can replace is named."""

REFRESH_CUT_OFF_AFTER = dt.timedelta(hours=1)
"""How long a renewal may have been under way; it takes seconds."""

NAMED = 100
"""How many rows a check's table has: events are kept for ever."""

COVERAGE_FLOOR = 0.8
"""The share of active accounts below which a connection's matching is worth a look."""


def specs() -> list[dg.AssetCheckSpec]:
    """Every check, for the step that evaluates them."""
    found = []
    for asset in SYNCED:
        found += [
            dg.AssetCheckSpec(FAILED, asset=asset, description="No tenant's latest sync has failed."),
            dg.AssetCheckSpec(PARTIAL, asset=asset, description="No tenant's latest sync left something out."),
            dg.AssetCheckSpec(
                FRESH, asset=asset, description=f"Every tenant was synced within {_hours(FRESH_FOR)} hours."
            ),
            dg.AssetCheckSpec(HELD, asset=asset, description="No deactivation waits for a person to look at it."),
        ]
    covered = f"At least {COVERAGE_FLOOR:.0%} of every connection's active accounts are matched, and none in ERROR."
    tokens = f"No access token that only a person can replace ends within {TOKEN_WARNING.days} days."
    found.append(dg.AssetCheckSpec(TOKENS, asset="external_users", description=tokens))
    found.append(dg.AssetCheckSpec(COVERED, asset=MAPPINGS, description=covered))
    return found


def evaluate(database: "Database", assets: Iterable[str], now: dt.datetime) -> Iterator[dg.AssetCheckEvaluation]:
    """All checks of these assets, as the database stands."""
    from integration_pipeline.defs import standing  # noqa: PLC0415 - loads the database's driver

    chosen = set(assets)
    lines = standing.lines(database) if chosen & SYNCED.keys() else []
    waiting = standing.holds(database) if chosen & SYNCED.keys() else []
    for asset in sorted(chosen & SYNCED.keys()):
        own = [line for line in lines if line.sync_type is SYNCED[asset]]
        yield _syncs(asset, FAILED, own, Status.FAILED, dg.AssetCheckSeverity.ERROR)
        yield _syncs(asset, PARTIAL, own, Status.PARTIAL, dg.AssetCheckSeverity.WARN)
        yield freshness(asset, own, now)
        yield holds(asset, [hold for hold in waiting if hold.sync_type is SYNCED[asset]])
    if "external_users" in chosen:
        ends_before, cut_off_before = now + TOKEN_WARNING, now - REFRESH_CUT_OFF_AFTER
        yield tokens(standing.tokens(database, ends_before=ends_before, cut_off_before=cut_off_before))
    if MAPPINGS in chosen:
        yield coverage(standing.coverage(database))


def results(
    database: "Database", chosen: Collection[dg.AssetCheckKey], now: dt.datetime
) -> Iterator[dg.AssetCheckResult]:
    """The same as a step's results: those of the checks chosen."""
    assets = {key.asset_key.to_user_string() for key in chosen}
    for each in evaluate(database, assets, now):
        if each.asset_check_key in chosen:
            yield dg.AssetCheckResult(
                passed=each.passed,
                asset_key=each.asset_key,
                check_name=each.check_name,
                severity=each.severity,
                description=each.description,
                metadata=each.metadata,
            )


def freshness(asset: str, lines: Sequence[Line], now: dt.datetime) -> dg.AssetCheckEvaluation:
    """Whether every line's last success is young enough. A connection that was never synced is stale."""
    stale = [line for line in lines if line.good_at is None or now - line.good_at > FRESH_FOR]
    rows = [[line.tenant_id, line.system, _moment(line.good_at), line.status] for line in stale]
    return _evaluation(
        asset,
        FRESH,
        rows,
        ["tenant", "system", "last success (UTC)", "latest sync"],
        f"{len(stale)} of {len(lines)} connections had no success within {_hours(FRESH_FOR)} hours",
    )


def holds(asset: str, waiting: Sequence[Held]) -> dg.AssetCheckEvaluation:
    """What the guard keeps back until a person has looked."""
    rows = [
        [
            hold.tenant_id,
            hold.system,
            _moment(hold.created_at),
            hold.rows,
            "; ".join(hold.reasons),
            f"Look with `holds show {hold.hold_id}`; then `holds approve` or `holds reject` it.",
        ]
        for hold in waiting
    ]
    head = ["tenant", "system", "since (UTC)", "rows", "reason", "remedy"]
    return _evaluation(asset, HELD, rows, head, f"{len(rows)} holds wait for a person")


def tokens(found: Sequence[Token]) -> dg.AssetCheckEvaluation:
    """The tokens a person should look after."""
    rows = [
        [
            token.tenant_id,
            token.system,
            "its renewal was cut off" if token.refresh_started_at else f"ends {_moment(token.expires_at)} UTC",
            "Connect it again, and import the tokens that come of it.",
        ]
        for token in found
    ]
    head = ["tenant", "system", "token", "remedy"]
    return _evaluation("external_users", TOKENS, rows, head, f"{len(rows)} tokens need a person")


def coverage(found: Sequence[Coverage]) -> dg.AssetCheckEvaluation:
    """The connections whose accounts are matched badly."""
    rows = [
        [each.tenant_id, each.system, each.active, each.matched, each.in_error, f"{each.share:.0%}"]
        for each in found
        if each.in_error or each.share < COVERAGE_FLOOR
    ]
    evaluation = _evaluation(
        MAPPINGS,
        COVERED,
        rows,
        ["tenant", "system", "active", "matched", "in error", "coverage"],
        f"{len(rows)} of {len(found)} connections have accounts in ERROR or less than {COVERAGE_FLOOR:.0%} matched",
    )
    active, matched = sum(each.active for each in found), sum(each.matched for each in found)
    return evaluation.with_metadata(
        {**evaluation.metadata, **rendering.numbers({"active": active, "matched": matched})}
    )


def _syncs(
    asset: str, check: str, lines: Sequence[Line], status: Status, severity: dg.AssetCheckSeverity
) -> dg.AssetCheckEvaluation:
    found = [line for line in lines if line.status == status]
    rows = [[line.tenant_id, line.system, _moment(line.started_at), rendering.reason(line)] for line in found]
    head = ["tenant", "system", "began (UTC)", "reason"]
    return _evaluation(asset, check, rows, head, f"{len(found)} of {len(lines)} connections are {status}", severity)


def _evaluation(
    asset: str,
    check: str,
    rows: Sequence[Sequence[object]],
    head: Sequence[str],
    description: str,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.WARN,
) -> dg.AssetCheckEvaluation:
    """Passed when there is nothing to name. The first of those to name are; the description counts them all."""
    named = {"named": rendering.records(head, rows[:NAMED])} if rows else {}
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(asset),
        check_name=check,
        passed=not rows,
        severity=severity,
        description=description,
        metadata={**rendering.numbers({"count": len(rows)}), **named},
    )


def _moment(moment: dt.datetime | None) -> str:
    return "never" if moment is None else f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M}"


def _hours(duration: dt.timedelta) -> int:
    return int(duration.total_seconds() // 3600)
