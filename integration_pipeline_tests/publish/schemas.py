"""Google's own description of the Sheets API, from its Python client's bundled discovery document, as a judge of JSON."""

import json
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

_PLAIN = {"string": str, "boolean": bool, "integer": int}


@cache
def schemas() -> dict[str, Any]:
    folder = resources.files("googleapiclient.discovery_cache") / "documents"
    found: dict[str, Any] = json.loads((folder / "sheets.v4.json").read_text(encoding="utf-8"))["schemas"]
    return found


def problems(value: Any, name: str) -> list[str]:
    """What is wrong with JSON that should be of a schema."""
    return list(_of(value, {"$ref": name}, name))


def _of(value: Any, schema: dict[str, Any], place: str) -> Iterator[str]:
    if "$ref" in schema:
        schema = schemas()[schema["$ref"]]
    kind = schema["type"]
    types: dict[str, Any] = {"object": dict, "array": list, "number": int | float, "any": object, **_PLAIN}
    if not isinstance(value, types[kind]) or (isinstance(value, bool) and kind in ("integer", "number")):
        yield f"{place} is no {kind}: {value!r}"
    elif kind == "object":
        yield from _of_fields(value, schema.get("properties", {}), place)
    elif kind == "array":
        for number, item in enumerate(value):
            yield from _of(item, schema["items"], f"{place}[{number}]")
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{place} is none of its values: {value!r}"


def _of_fields(value: dict[str, Any], fields: dict[str, Any], place: str) -> Iterator[str]:
    for name, item in value.items():
        if name in fields:
            yield from _of(item, fields[name], f"{place}.{name}")
        else:
            yield f"{place} has no {name}"
