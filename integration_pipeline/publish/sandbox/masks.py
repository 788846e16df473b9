"""Field masks: which fields of an answer are wanted, and which ones of a cell an update writes.

``sheets(properties(sheetId,title),data.rowData)`` and ``userEnteredValue,userEnteredFormat.numberFormat``; a slash is a dot.
"""

import copy
import re
from collections.abc import Mapping
from typing import Any

Tree = dict[str, Any]
"""Name → what is wanted below it; an empty tree = all of it."""

_TOKEN = re.compile(r"[A-Za-z0-9_]+|[.,/()*]")


class MaskError(ValueError):
    """A mask that cannot be read."""


def parse(mask: str) -> Tree:
    """:raises MaskError: it is no mask."""
    tokens = _TOKEN.findall(mask)
    if "".join(tokens) != mask.replace(" ", "") or not tokens:
        raise MaskError(mask)
    tree, rest = _group(tokens)
    if rest:
        raise MaskError(mask)
    return tree


def _group(tokens: list[str]) -> tuple[Tree, list[str]]:
    tree: Tree = {}
    while True:
        path: list[str] = []
        while tokens and tokens[0] not in ",()":
            if tokens[0] not in "./":
                path.append(tokens[0])
            tokens = tokens[1:]
        if not path:
            raise MaskError("an empty part")
        below: Tree = {}
        if tokens and tokens[0] == "(":
            below, tokens = _group(tokens[1:])
            if not tokens:
                raise MaskError("no closing bracket")
            tokens = tokens[1:]
        _plant(tree, path, below)
        if not tokens or tokens[0] == ")":
            return tree, tokens
        tokens = tokens[1:]


def _plant(tree: Tree, path: list[str], below: Tree) -> None:
    for name in path[:-1]:
        tree = tree.setdefault(name, {})
    tree.setdefault(path[-1], {}).update(below)


def wants(tree: Tree, *path: str) -> bool:
    """Whether anything at or below a path is wanted."""
    for name in path:
        if not tree or "*" in tree:
            return True
        if name not in tree:
            return False
        tree = tree[name]
    return True


def picked(value: Any, tree: Tree) -> Any:
    """The part of an answer that a mask wants."""
    if not tree or "*" in tree:
        return value
    if isinstance(value, list):
        return [picked(item, tree) for item in value]
    if not isinstance(value, Mapping):
        return value
    return {name: picked(item, tree[name]) for name, item in value.items() if name in tree}


def merged(old: Mapping[str, Any], new: Mapping[str, Any], tree: Tree) -> dict[str, Any]:
    """``old`` with what the mask names taken from ``new``, and cleared where ``new`` does not say it."""
    if not tree or "*" in tree:
        return copy.deepcopy(dict(new))
    result = dict(old)
    for name, below in tree.items():
        value = new.get(name)
        if below:
            value = merged(result.get(name, {}), value or {}, below)
        if value in (None, {}):
            result.pop(name, None)
        else:
            result[name] = copy.deepcopy(value)
    return result
