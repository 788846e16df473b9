"""Markdown (https://spec.commonmark.org/, and GitHub's tables) in which a text shows as it is."""

import re
from collections.abc import Sequence

from integration_pipeline.text import clean

_MEANT = re.compile(r"([\\`*_\[\]<>|#~])")


def escaped(text: str) -> str:
    """Text that Markdown shows as it is."""
    return _MEANT.sub(r"\\\1", clean(text))


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Sequence[str] = ()) -> list[str]:
    """Lines of a table.

    :param numbers: the header's names whose columns are aligned to the right.
    """
    return [
        f"| {' | '.join(map(escaped, header))} |",
        f"| {' | '.join('---:' if name in numbers else '---' for name in header)} |",
        *(f"| {' | '.join(map(escaped, row))} |" for row in rows),
    ]
