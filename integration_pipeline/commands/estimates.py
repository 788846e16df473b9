"""What a batch is expected to cost, said before it begins; and beside it, afterwards, what it cost."""

from collections.abc import Iterator, Sequence

from integration_pipeline.invocation import Estimates
from integration_pipeline.model import Connection, Estimate, Outcome, SyncType
from integration_pipeline.report.words import EN, Words
from integration_pipeline.text import clean, count

NAMED = 10
"""How many connections are named; the sums above them are whole."""

UNKNOWN = "not known before a first good night"

span = Words(EN).span

Work = Sequence[tuple[Connection, Sequence[SyncType]]]


def before(work: Work, expected: Estimates) -> Iterator[str]:
    """All in one line, then each connection, those that take longest first."""
    known: list[tuple[Connection, Estimate]] = []
    unknown: list[Connection] = []
    for connection, due in work:
        own = expected.get((connection.tenant_id, connection.system), {})
        if all(sync_type in own for sync_type in due):
            known.append((connection, _sum([own[sync_type] for sync_type in due])))
        else:
            unknown.append(connection)
    known.sort(key=lambda each: each[1].seconds, reverse=True)
    whole = _sum([estimate for _, estimate in known])
    parts = []
    if known:
        longest = span(known[0][1].seconds)
        parts.append(f"{count(len(known), 'connection')}: {count(whole.calls, 'API call')}, {longest} for the longest")
    if unknown:
        parts.append(f"{count(len(unknown), 'connection')}: {UNKNOWN}")
    yield f"expected: {'; '.join(parts)}"
    lines = [f"{connection}: {count(calls, 'call')}, {span(seconds)}" for connection, (calls, seconds) in known]
    lines += [f"{connection}: {UNKNOWN}" for connection in unknown]
    yield from (f"  {clean(line)}" for line in lines[:NAMED])
    if len(lines) > NAMED:
        yield f"  and {len(lines) - NAMED:,} more"


def after(outcomes: Sequence[Outcome]) -> str:
    """What was expected of these syncs, for behind what they cost."""
    known = [outcome.estimate for outcome in outcomes if outcome.estimate]
    if not known:
        return f"expected: {UNKNOWN}"
    by_connection: dict[tuple[str, str], float] = {}
    for outcome in outcomes:
        if outcome.estimate:
            key = (outcome.tenant_id, outcome.system)
            by_connection[key] = by_connection.get(key, 0.0) + outcome.estimate.seconds
    unknown = len(outcomes) - len(known)
    more = f", {count(unknown, 'sync')} {UNKNOWN}" if unknown else ""
    longest = span(max(by_connection.values()))
    return f"expected: {count(_sum(known).calls, 'call')}, {longest} for the longest connection{more}"


def _sum(estimates: Sequence[Estimate]) -> Estimate:
    return Estimate(sum(one.calls for one in estimates), sum(one.seconds for one in estimates))
