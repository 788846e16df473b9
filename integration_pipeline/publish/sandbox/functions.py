"""The values of formulas and the functions over them ("Google Sheets function list")."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

Value = float | str | bool | None
"""Of a cell; None = empty. An error is its code, as a cell shows it."""

Array = Value | list[Value]

ERROR = frozenset({"#DIV/0!", "#N/A", "#NAME?", "#NUM!", "#REF!", "#VALUE!", "#ERROR!"})
LAZY = frozenset({"IF", "IFERROR"})

_CRITERION = re.compile(r"(<=|>=|<>|<|>|=)?(.*)", re.DOTALL)


class Fault(Exception):
    """An error value on its way through a formula."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def broadcast(work: Callable[[Value, Value], Value], left: Array, right: Array) -> Array:
    """An operator over cells or over columns, row by row; within a column, an error is one row's own."""
    if not isinstance(left, list) and not isinstance(right, list):
        return work(_sound(left), _sound(right))

    def each(a: Value, b: Value) -> Value:
        try:
            return work(_sound(a), _sound(b))
        except Fault as fault:
            return fault.code

    length = max(len(side) for side in (left, right) if isinstance(side, list))
    lefts, rights = _stretched(left, length), _stretched(right, length)
    return [each(a, b) for a, b in zip(lefts, rights, strict=True)]


def _stretched(value: Array, length: int) -> list[Value]:
    if not isinstance(value, list):
        return [value] * length
    return value + ["#N/A"] * (length - len(value))


def _sound(value: Value) -> Value:
    if isinstance(value, str) and value in ERROR:
        raise Fault(value)
    return value


def to_number(value: Value) -> float:
    if value is None:
        return 0.0
    if isinstance(value, bool | float | int):
        return float(value)
    try:
        return float(value)
    except ValueError:
        raise Fault("#VALUE!") from None


def text_of(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    return f"{value:.15g}" if isinstance(value, float | int) else value


def compare(mark: str, left: Value, right: Value) -> bool:
    """Numbers come before text and text before booleans; an empty cell is the other side's zero."""
    one, other = _rank(left, right), _rank(right, left)
    return {
        "=": one == other,
        "<>": one != other,
        "<": one < other,
        ">": one > other,
        "<=": one <= other,
        ">=": one >= other,
    }[mark]


def _rank(value: Value, against: Value) -> tuple[int, float, str]:
    if value is None:
        value = "" if isinstance(against, str) else False if isinstance(against, bool) else 0.0
    if isinstance(value, bool):
        return (2, float(value), "")
    if isinstance(value, str):
        return (1, 0.0, value.casefold())
    return (0, float(value), "")


def _flat(arguments: Sequence[Array]) -> Iterator[Value]:
    for argument in arguments:
        yield from argument if isinstance(argument, list) else [argument]


def _numbers(arguments: Sequence[Array]) -> list[float]:
    """The numbers among the arguments; text and empty cells do not count, errors spread."""
    found = (_sound(value) for value in _flat(arguments))
    return [float(value) for value in found if isinstance(value, float | int) and not isinstance(value, bool)]


def _truths(arguments: Sequence[Array]) -> list[bool]:
    found = (_sound(value) for value in _flat(arguments))
    return [bool(to_number(value)) for value in found if value is not None and not isinstance(value, str)]


def _is_number(value: Array) -> Array:
    def one(item: Value) -> bool:
        return isinstance(item, float | int) and not isinstance(item, bool)

    return [one(item) for item in value] if isinstance(value, list) else one(value)


def _mean(numbers: Sequence[float]) -> float:
    if not numbers:
        raise Fault("#DIV/0!")
    return sum(numbers) / len(numbers)


def _averageifs(values: Array, *criteria: Array) -> Value:
    pairs = [(criteria[at], criteria[at + 1]) for at in range(0, len(criteria) - 1, 2)]
    rows = values if isinstance(values, list) else [values]
    kept = [
        row
        for number, row in enumerate(rows)
        if all(_meets(column[number], wanted) for column, wanted in pairs if isinstance(column, list))
    ]
    return _mean(_numbers([kept]))


def _meets(value: Value, criterion: Array) -> bool:
    """A criterion: ``">45"``, ``"<=45"``, or what a cell must equal. Only numbers are over or under a number."""
    if isinstance(criterion, list):
        raise Fault("#VALUE!")
    mark, wanted = "=", criterion
    if isinstance(criterion, str):
        found = _CRITERION.fullmatch(criterion)
        if found and found[1]:
            mark, wanted = found[1], found[2]
        try:
            wanted = float(str(wanted))
        except ValueError:
            return isinstance(value, str) and compare(mark, value, str(wanted))
    if not isinstance(value, float | int) or isinstance(value, bool):
        return mark == "<>"
    return compare(mark, value, wanted)


def _filter(values: Array, *conditions: Array) -> Array:
    rows = values if isinstance(values, list) else [values]
    kept = list(rows)
    for number in reversed(range(len(rows))):
        for condition in conditions:
            if not isinstance(condition, list) or len(condition) != len(rows):
                raise Fault("#N/A")
            met = condition[number]
            if (isinstance(met, str) and met in ERROR) or not met:
                del kept[number]
                break
    if not kept:
        raise Fault("#N/A")
    return kept


def _slope(heights: Array, places: Array) -> Value:
    ys = heights if isinstance(heights, list) else [heights]
    xs = places if isinstance(places, list) else [places]
    if len(xs) != len(ys):
        raise Fault("#N/A")
    points = [
        (float(x), float(y))
        for x, y in zip(xs, ys, strict=True)
        if _is_number(_sound(x)) and _is_number(_sound(y)) and x is not None and y is not None
    ]
    if not points:
        raise Fault("#DIV/0!")
    middle_x, middle_y = (_mean([point[side] for point in points]) for side in (0, 1))
    spread = sum((x - middle_x) ** 2 for x, _ in points)
    if spread == 0:
        raise Fault("#DIV/0!")
    return sum((x - middle_x) * (y - middle_y) for x, y in points) / spread


def _textjoin(between: Array, skips_empty: Array, *parts: Array) -> Value:
    texts = [text_of(_sound(part)) for part in _flat(parts)]
    return text_of(None if isinstance(between, list) else between).join(
        text for text in texts if text or not skips_empty
    )


def _negated(value: Array) -> Value:
    if isinstance(value, list):
        raise Fault("#VALUE!")
    return not to_number(_sound(value))


FUNCTIONS: Mapping[str, Callable[..., Array]] = {
    "AND": lambda *values: all(_truths(values)),
    "OR": lambda *values: any(_truths(values)),
    "NOT": _negated,
    "ISNUMBER": _is_number,
    "COUNT": lambda *values: float(sum(1 for value in _flat(values) if _is_number(value))),
    "SUM": lambda *values: sum(_numbers(values)),
    "AVERAGE": lambda *values: _mean(_numbers(values)),
    "AVERAGEIFS": _averageifs,
    "MAX": lambda *values: max(_numbers(values), default=0.0),
    "MIN": lambda *values: min(_numbers(values), default=0.0),
    "FILTER": _filter,
    "SLOPE": _slope,
    "TEXTJOIN": _textjoin,
}
