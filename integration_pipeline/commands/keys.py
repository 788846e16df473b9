"""``keys``: a new key for the ring that seals the stored secrets."""

# ruff: noqa: PLC0415 - starting must be cheap: a command imports what it needs when it runs

import argparse
from collections.abc import Mapping

from integration_pipeline.commands.output import emit
from integration_pipeline.commands.parsing import Commands

_ABOUT = """\
Prints a new random key as INTEGRATION_PIPELINE_KEYS takes it (id:base64key). The first key of the ring seals, all of
them open: put a new key first and keep the old ones behind a comma. Keep it where secrets are kept; without it the
stored tokens cannot be opened."""


def register(commands: Commands) -> None:
    group = commands.group("keys", summary="the keys that seal the stored secrets: generate")
    group.add(
        "generate",
        summary="print a new key",
        about=_ABOUT,
        examples=["export INTEGRATION_PIPELINE_KEYS=$(integration-pipeline keys generate)"],
        run=run_generate,
    )


def run_generate(_arguments: argparse.Namespace, _environ: Mapping[str, str]) -> int:
    from integration_pipeline import crypto

    emit(crypto.generate())
    return 0
