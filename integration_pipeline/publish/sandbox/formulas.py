"""Formulas, evaluated as Sheets does: the operators, and the functions that KPI sheets use. Anything else is ``#NAME?``.

Written from Google's function list, not from the formulas that are to be judged by it.
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from integration_pipeline.publish.sandbox import a1
from integration_pipeline.publish.sandbox.functions import (
    ERROR,
    FUNCTIONS,
    LAZY,
    Fault,
    Value,
    broadcast,
    compare,
    text_of,
    to_number,
)

Look = Callable[[int, int], Value]
"""The value of a cell, by row and column."""

_TOKEN = re.compile(
    r"\s*(?:(?P<number>[0-9]+(?:\.[0-9]+)?)|(?P<text>\"(?:[^\"]|\"\")*\")"
    r"|(?P<columns>\$?[A-Z]{1,3}:\$?[A-Z]{1,3}\b)|(?P<cells>\$?[A-Z]{1,3}\$?[0-9]+(?::\$?[A-Z]{1,3}\$?[0-9]+)?\b)"
    r"|(?P<name>[A-Z][A-Z0-9.]*)|(?P<error>\#(?:REF!|N/A))|(?P<mark><=|>=|<>|[-+*/&=<>(),]))"
)
_COMPARISONS = ("<=", ">=", "<>", "<", ">", "=")


class _Token(NamedTuple):
    kind: str
    text: str


def evaluate(formula: str, look: Look, rows: int) -> Value:
    """The value of a formula.

    :param rows: how many rows of the sheet have anything in them: as far as whole columns are looked at.
    """
    try:
        tokens = _tokens(formula.removeprefix("="))
        value = _Evaluation(tokens, look, rows).whole()
    except Fault as fault:
        return fault.code
    if isinstance(value, list):
        value = value[0] if value else None
    return 0.0 if value is None else value


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    position = 0
    while position < len(text.rstrip()):
        found = _TOKEN.match(text, position)
        if not found or not found.lastgroup:
            raise Fault("#ERROR!")
        tokens.append(_Token(found.lastgroup, found[found.lastgroup]))
        position = found.end()
    return tokens


class _Evaluation:
    """One formula, by recursive descent: comparison, ``&``, sums, products, sign, value."""

    def __init__(self, tokens: Sequence[_Token], look: Look, rows: int) -> None:
        self._tokens = tokens
        self._look = look
        self._rows = rows
        self._at = 0
        self._is_idle = False
        """Whether what is read is not to be evaluated: the branch that is not taken."""

    def whole(self) -> Value | list[Value]:
        value = self._comparison()
        if self._at != len(self._tokens):
            raise Fault("#ERROR!")
        return value

    def _next_is(self, *marks: str) -> str | None:
        token = self._tokens[self._at] if self._at < len(self._tokens) else None
        if token is None or token.kind != "mark" or token.text not in marks:
            return None
        self._at += 1
        return token.text

    def _comparison(self) -> Value | list[Value]:
        left = self._joined()
        while mark := self._next_is(*_COMPARISONS):
            right = self._joined()
            left = self._apply(lambda a, b, mark=mark: compare(mark, a, b), left, right)
        return left

    def _joined(self) -> Value | list[Value]:
        left = self._sum()
        while self._next_is("&"):
            left = self._apply(lambda a, b: text_of(a) + text_of(b), left, self._sum())
        return left

    def _sum(self) -> Value | list[Value]:
        left = self._product()
        while mark := self._next_is("+", "-"):
            sign = 1 if mark == "+" else -1
            left = self._apply(lambda a, b, sign=sign: to_number(a) + sign * to_number(b), left, self._product())
        return left

    def _product(self) -> Value | list[Value]:
        left = self._signed()
        while mark := self._next_is("*", "/"):
            left = self._apply(_times if mark == "*" else _divided, left, self._signed())
        return left

    def _signed(self) -> Value | list[Value]:
        if self._next_is("-"):
            return self._apply(lambda a, _: -to_number(a), self._signed(), None)
        return self._value()

    def _apply(
        self, work: Callable[..., Value], left: Value | list[Value], right: Value | list[Value]
    ) -> Value | list[Value]:
        return None if self._is_idle else broadcast(work, left, right)

    def _value(self) -> Value | list[Value]:
        if self._at >= len(self._tokens):
            raise Fault("#ERROR!")
        kind, text = self._tokens[self._at]
        self._at += 1
        if kind == "number":
            return float(text)
        if kind == "text":
            return text[1:-1].replace('""', '"')
        if kind in ("columns", "cells"):
            return None if self._is_idle else self._cells(text.replace("$", ""))
        if kind == "name":
            return self._named(text)
        if kind == "error":
            return None if self._is_idle else text
        if text == "(":
            value = self._comparison()
            if not self._next_is(")"):
                raise Fault("#ERROR!")
            return value
        raise Fault("#ERROR!")

    def _cells(self, text: str) -> Value | list[Value]:
        block = a1.area(text)
        if block is None:
            raise Fault("#REF!")
        if ":" not in text:
            return self._look(block.top, block.left)
        bottom = self._rows if block.bottom is None else block.bottom
        columns = range(block.left, block.right or block.left + 1)
        return [self._look(row, column) for row in range(block.top, bottom) for column in columns]

    def _named(self, name: str) -> Value | list[Value]:
        if name in ("TRUE", "FALSE"):
            return name == "TRUE"
        if not self._next_is("("):
            raise Fault("#NAME?")
        if name in LAZY:
            return self._lazy(name)
        arguments: list[Value | list[Value]] = []
        while not self._next_is(")"):
            arguments.append(self._comparison())
            if not self._next_is(","):
                if not self._next_is(")"):
                    raise Fault("#ERROR!")
                break
        if self._is_idle:
            return None
        if name not in FUNCTIONS:
            raise Fault("#NAME?")
        return FUNCTIONS[name](*arguments)

    def _lazy(self, name: str) -> Value | list[Value]:
        """IF and IFERROR: the branch that is not taken may be an error."""
        tested = self._tried()
        is_error = isinstance(tested, str) and tested in ERROR
        takes = is_error if name == "IFERROR" else _is_true(tested)
        branches: list[Value | list[Value]] = [tested if name == "IFERROR" else False]
        wanted = (1 if takes else 0) if name == "IFERROR" else (1 if takes else 2)
        while self._next_is(","):
            branches.append(self._tried(is_idle=wanted != len(branches)))
        if not self._next_is(")"):
            raise Fault("#ERROR!")
        if self._is_idle:
            return None
        if name == "IF" and is_error:
            return tested
        return branches[wanted] if wanted < len(branches) else (None if name == "IFERROR" else False)

    def _tried(self, *, is_idle: bool = False) -> Value | list[Value]:
        """An argument, its error as a value; one that is not wanted is only read over."""
        before, start = self._is_idle, self._at
        self._is_idle = before or is_idle
        try:
            return self._comparison()
        except Fault as fault:
            # What is left of the argument must still be read over.
            self._at, self._is_idle = start, True
            self._comparison()
            return fault.code
        finally:
            self._is_idle = before


def _times(left: Value, right: Value) -> Value:
    return to_number(left) * to_number(right)


def _divided(left: Value, right: Value) -> Value:
    divisor = to_number(right)
    if divisor == 0:
        raise Fault("#DIV/0!")
    return to_number(left) / divisor


def _is_true(value: Value | list[Value]) -> bool:
    return bool(value) and value != "" and not isinstance(value, list)
