"""What a chaos case is: a fault, a moment, and a night to play it in."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from integration_pipeline_tests.chaos.ground import Ground


class Verdict(NamedTuple):
    """How a case ended.

    :param came_to: what the night came to under the fault: ``unharmed``, ``partial``, ``failed``.
    :param broken: the invariants that did not hold, in words.
    """

    came_to: str
    broken: Sequence[str]


class Case(NamedTuple):
    """One fault at one moment."""

    family: str
    fault: str
    moment: str
    system: str
    play: Callable[[Ground], Verdict]

    def __str__(self) -> str:
        return f"{self.family}: {self.fault} @ {self.moment} ({self.system})"
