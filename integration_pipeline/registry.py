"""The one list of providers: a system's name in the contract, and the folder that knows all about it.

Providers are imported when asked for, so that naming them (``--help``) costs nothing.
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module

from integration_pipeline.model import System
from integration_pipeline.provider import Provider

FOLDERS: Mapping[System, str] = {
    System("TEAMS"): "teams",
    System("SLACK"): "slack",
    System("LINE_WORKS"): "lineworks",
}


@cache
def provider(system: System) -> Provider:
    """The provider of a system.

    :raises KeyError: there is no such system.
    """
    found: Provider = import_module(f"integration_pipeline.providers.{FOLDERS[system]}").PROVIDER
    return found


def providers() -> tuple[Provider, ...]:
    """All of them, in the order in which they are listed to people."""
    return tuple(provider(system) for system in FOLDERS)
