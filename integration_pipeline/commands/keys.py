"""``keys``: a new key for the ring that seals the stored secrets, and all secrets sealed with it."""

# ruff: noqa: PLC0415 - starting must be cheap: a command imports what it needs when it runs

import argparse
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from integration_pipeline.commands.output import emit, emit_all
from integration_pipeline.commands.parsing import Commands
from integration_pipeline.errors import UsageError
from integration_pipeline.text import count

if TYPE_CHECKING:
    from integration_pipeline.crypto import Keyring
    from integration_pipeline.store.sealing import Resealed

_ABOUT = """\
Prints a new random key as INTEGRATION_PIPELINE_KEYS takes it (id:base64key). The first key of the ring seals, all of
them open: put a new key first and keep the old ones behind a comma. Keep it where secrets are kept; without it the
stored tokens cannot be opened."""

_ABOUT_ROTATE = """\
Opens every stored secret and seals it anew with the first key of the ring. Runs may go on meanwhile: a token that is
refreshed at the same moment is kept. What the first key seals already is left alone, so a rotation that was cut off is
simply run again. Prints how many secrets were sealed anew, and which keys nothing needs any more.

1. Give every process the new key behind the old ones, and let runs end that began without it: they could not open
   what is sealed anew. One process alone (a terminal, one container) may go to step 2 at once.
2. Put the new key first, everywhere.
3. integration-pipeline keys rotate
4. Drop the keys it names. Keep them with the backups that were made before: those are sealed with them.

The ring that was made for the embedded database is the file `keys` in INTEGRATION_PIPELINE_HOME, a key a line. This
puts a new one first:
  (umask 077; cd .integration-pipeline && integration-pipeline keys generate | cat - keys > new && mv new keys)"""


def register(commands: Commands) -> None:
    group = commands.group("keys", summary="the keys that seal the stored secrets: generate, rotate")
    group.add(
        "generate",
        summary="print a new key",
        about=_ABOUT,
        examples=["export INTEGRATION_PIPELINE_KEYS=$(integration-pipeline keys generate)"],
        run=run_generate,
    )
    group.add(
        "rotate",
        summary="seal every stored secret with the first key",
        about=_ABOUT_ROTATE,
        examples=["INTEGRATION_PIPELINE_KEYS=$NEW,$OLD integration-pipeline keys rotate"],
        run=run_rotate,
    )


def run_generate(_arguments: argparse.Namespace, _environ: Mapping[str, str]) -> int:
    from integration_pipeline import crypto

    emit(crypto.generate())
    return 0


def run_rotate(_arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from integration_pipeline.commands.opening import desk
    from integration_pipeline.store import sealing

    with desk(environ) as opened:
        keyring = sealing.ring(opened.settings, opened.database)
        found = sealing.reseal(opened.database, keyring)
    if found.problems:
        raise UsageError(_refused(found))
    emit_all(_said(found, keyring))
    return 0


def _refused(found: "Resealed") -> str:
    others = f" ({count(found.by_key.total(), 'other')} sealed anew)" if found.by_key else ""
    return f"{count(len(found.problems), 'secret')} cannot be opened{others}, the first: {found.problems[0]}"


def _said(found: "Resealed", keyring: "Keyring") -> Iterator[str]:
    if found.by_key:
        number, tenants = count(found.by_key.total(), "secret"), count(len(found.tenants), "tenant")
        yield f"{number} of {tenants} sealed anew with the key {keyring.first}"
        for key_id, secrets in sorted(found.by_key.items()):
            yield f"  {key_id} had sealed {secrets:,}"
    else:
        yield f"nothing to do: all {found.in_use[keyring.first]:,} secrets are sealed with the key {keyring.first}"
    for key_id, secrets in sorted(found.in_use.items()):
        if key_id != keyring.first:
            yield f"{key_id} sealed {secrets:,} meanwhile: give every process the new ring, then run this again"
    unused = [key_id for key_id in keyring.ids if not found.in_use[key_id] and key_id != keyring.first]
    if unused:
        yield f"no longer used, may be dropped from the ring: {', '.join(unused)}"
