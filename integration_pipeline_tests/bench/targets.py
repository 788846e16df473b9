"""P1 to P13: what is aimed at, what was measured in this run, and whether that meets it."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from integration_pipeline_tests.bench import dagster_runs, graph, limits, nights, tenants
from integration_pipeline_tests.bench import faults as fault_cases
from integration_pipeline_tests.bench.meter import Cost
from integration_pipeline_tests.bench.pages import Night
from integration_pipeline_tests.bench.results import Results, table

LARGE, HUGE = 100_000, 1_000_000
_LATE_TENANTS, _MANY_TENANTS = 100, 1000
_PEAKS = ((LARGE, 120), (HUGE, 300))
"""Users, and the most MB with them."""


class Verdict(NamedTuple):
    """What a run says of a target; ``is_met`` is None where it was not measured."""

    measured: str
    is_met: bool | None


class Target(NamedTuple):
    name: str
    what: str
    judge: Callable[[Results], Verdict]


_UNMEASURED = Verdict("not in this run", None)


def _product(results: Results, night: Night, users: int) -> Cost | None:
    return results.cost(nights.CASE, "product", night, users=users)


def _of_floor(results: Results, night: Night, users: int, most: float) -> Verdict:
    cost, least = _product(results, night, users), results.cost(nights.CASE, "floor", night, users=users)
    if cost is None or least is None:
        return _UNMEASURED
    ratio = cost.cpu / least.cpu
    return Verdict(f"{ratio:.2f} × (start-up aside {cost.work / least.work:.2f} ×)", ratio <= most)


def _p1(results: Results) -> Verdict:
    return _of_floor(results, Night.FIRST, LARGE, 1.6)


def _p2(results: Results) -> Verdict:
    cost = _product(results, Night.FIRST, LARGE)
    whole, lean = (results.cost(nights.CASE, name, Night.FIRST, users=LARGE) for name in ("dlt", "dlt-lean"))
    if cost is None or whole is None or lean is None:
        return _UNMEASURED
    ratios = whole.cpu / cost.cpu, lean.cpu / cost.cpu
    return Verdict(f"{ratios[0]:.1f} × and {ratios[1]:.1f} ×", ratios[0] >= 7 and ratios[1] >= 2.4)


def _p3(results: Results) -> Verdict:
    verdict, cost = _of_floor(results, Night.UNCHANGED, LARGE, 1.5), _product(results, Night.UNCHANGED, LARGE)
    if cost is None:
        return _UNMEASURED
    return Verdict(f"{verdict.measured}; {cost.wal_mb:.3f} MB", verdict.is_met and cost.wal_mb <= 0.05)


def _p4(results: Results) -> Verdict:
    users = max((line.users for line in results.lines if line.case == graph.CASE), default=0)
    nothing = results.cost(graph.CASE, "product", Night.UNCHANGED, users=1)
    first, quiet = (results.cost(graph.CASE, "product", night, users=users) for night in tenants.NIGHTS)
    if nothing is None or first is None or quiet is None:
        return _UNMEASURED
    share = max(0.0, quiet.cpu - nothing.cpu) / (first.cpu - nothing.cpu)
    said = f"{100 * share:.1f} % at {users:,} users ({100 * quiet.work / first.work:.1f} % where only imports are start-up)"
    return Verdict(f"{said}; {first.calls:,} and then {quiet.calls:,} calls", share <= 0.02)


def _p5(results: Results) -> Verdict:
    pairs = [
        (results.figures.get(f"calls, {night} night"), results.figures.get(f"calls, {night} night, fewest"))
        for night in ("first", "unchanged")
    ]
    if any(made is None or least is None for made, least in pairs):
        return _UNMEASURED
    said = "; ".join(f"{made:.0f} made, {least:.0f} the fewest" for made, least in pairs)
    return Verdict(said, all(made == least for made, least in pairs))


def _p6(results: Results) -> Verdict:
    found = [
        (users, max(cost.peak_mb for cost in costs), most)
        for users, most in _PEAKS
        if (costs := [cost for night in Night if (cost := _product(results, night, users))])
    ]
    if not found:
        return _UNMEASURED
    said = "; ".join(f"{peak:.0f} MB at {users:,}" for users, peak, _ in found)
    if any(peak > most for _, peak, most in found):
        return Verdict(said, is_met=False)
    return (
        Verdict(said, is_met=True) if len(found) == len(_PEAKS) else Verdict(f"{said}; the rest {_UNMEASURED[0]}", None)
    )


def _p7(results: Results) -> Verdict:
    alone = results.figures.get("Dagster, CPU s of a run of one tenant")
    if alone is None:
        return _UNMEASURED
    (line,) = (each for each in results.lines if each.case == dagster_runs.CASE and each.night == Night.UNCHANGED)
    first, quiet = (results.figures[f"Dagster, CPU s per tenant, {night} night"] for night in ("first", "unchanged"))
    said = f"{first:.3f} s first, {quiet:.3f} s unchanged, of {line.tenants:,}; {alone / quiet:.0f} × less"
    return Verdict(said, max(first, quiet) <= 0.1 and alone / quiet >= 50)


def _p9(results: Results) -> Verdict:
    told, ratio = results.figures.get("CPU s of --help"), results.figures.get("sync's process ÷ the floor's")
    if told is None or ratio is None:
        return _UNMEASURED
    return Verdict(f"{told:.2f} s; {ratio:.2f} ×", told <= 0.25 and ratio <= 1.3)


def _p10(results: Results) -> Verdict:
    beyond = results.figures.get("CPU s of the definitions beyond import dagster")
    return _UNMEASURED if beyond is None else Verdict(f"{beyond:.2f} s", beyond <= 0.5)


def _p11(results: Results) -> Verdict:
    by_size = {
        users: [cost.statements for night in Night if (cost := _product(results, night, users))]
        for users in sorted({line.users for line in results.lines if line.case == nights.CASE})
    }
    counts = [line.tenants for line in results.lines if line.case == tenants.CASE and line.subject == "product"]
    each = [further for night in tenants.NIGHTS if (further := _statements(results, night, max(counts, default=1)))]
    if not by_size or not each:
        return _UNMEASURED
    said = ", ".join(f"{further:.1f}" for further in each) + " round trips for a further sync, first and unchanged"
    if max(each) > 20:
        return Verdict(said, is_met=False)
    if len(by_size) == 1:
        return Verdict(f"{said}; of one size alone", None)
    is_constant = len({tuple(statements) for statements in by_size.values()}) == 1
    constant = "the same at every size" if is_constant else f"not the same at every size: {by_size}"
    return Verdict(f"{said}; {constant}", is_constant)


def _statements(results: Results, night: Night, count: int) -> float | None:
    """Of each sync beyond the first, everything around it included."""
    one = results.cost(tenants.CASE, "product", night, users=tenants.USERS)
    many = results.cost(tenants.CASE, "product", night, users=tenants.USERS, tenants=count)
    return (many.statements - one.statements) / (count - 1) if one and many and count > 1 else None


def _p12(results: Results) -> Verdict:
    counts = (_LATE_TENANTS, _MANY_TENANTS)
    found = [(count, tenants.further(results, "product", Night.UNCHANGED, count)) for count in counts]
    each = {count: 1000 * further for count, further in found if further is not None}
    late = results.figures.get(f"latency, {Night.UNCHANGED}: wall ÷ bound")
    if _LATE_TENANTS not in each or late is None:
        return _UNMEASURED
    said = ", ".join(f"{further:.1f} ms of {count:,}" for count, further in each.items())
    return Verdict(f"{said}; {late:.2f} ×", max(each.values()) <= 15 and late <= 1.3)


def _p13(results: Results) -> Verdict:
    faults = [text for name, text in results.words.items() if name.startswith("fault: ")]
    survived = sum(text.startswith("survived") for text in faults)
    if not faults:
        return _UNMEASURED
    return Verdict(f"{survived} of {fault_cases.HOW_MANY} survived", survived == fault_cases.HOW_MANY)


def _p8(results: Results) -> Verdict:
    if limits.NAME not in results.figures:
        return _UNMEASURED
    return Verdict(f"in virtual time, ≥ 97 % asserted: {results.words[limits.NAME]}", results.figures[limits.NAME] == 1)


TARGETS = (
    Target("P1", "first night, 100k users: CPU against the floor ≤ 1.6 ×", _p1),
    Target("P2", "the same against dlt, default and lean: ≥ 7 × and ≥ 2.4 × less", _p2),
    Target("P3", "unchanged night, 100k users: CPU ≤ 1.5 × the floor; WAL ≤ 0.05 MB", _p3),
    Target("P4", "unchanged night, Teams with delta: ≤ 2 % of the first night's CPU beyond start-up", _p4),
    Target("P5", "HTTP calls: the minimum, exactly, in both nights", _p5),
    Target("P6", "peak memory: ≤ 120 MB at 100k users, ≤ 300 MB at 1M", _p6),
    Target("P7", "1,000 tenants × 100 users in Dagster: CPU ≤ 0.1 s a tenant, ≥ 50 × less than a run each", _p7),
    Target("P8", "calls made against calls allowed while limited: ≥ 97 %, no 429 provoked", _p8),
    Target("P9", "--help ≤ 0.25 s; sync of 10k unchanged users, whole process: ≤ 1.3 × floor", _p9),
    Target("P10", "Dagster's definitions beyond import dagster: ≤ 0.5 s CPU", _p10),
    Target("P11", "SQL statements for one sync, whatever its size: ≤ 20, constant", _p11),
    Target(
        "P12", "each further unchanged tenant of 1,000 users: ≤ 15 ms CPU; at 150 ms a call: ≤ 1.3 × the bound", _p12
    ),
    Target("P13", "faults: never exit 0 with fewer users; 16 of 16 tenants at any concurrency", _p13),
)


def shown(results: Results) -> Iterator[str]:
    """The targets' table."""
    yield from table(("id", "target", "measured", ""), [_cells(results, target) for target in TARGETS])


def _cells(results: Results, target: Target) -> Sequence[str]:
    measured, is_met = target.judge(results)
    verdict = "–" if is_met is None else "met" if is_met else "**missed**"
    return target.name, target.what, measured, verdict
