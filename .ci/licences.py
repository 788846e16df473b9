# ruff: noqa: INP001 - a script
"""Which licences the locked packages are under, as they say themselves: ``make licences``.

Exits with 1 where one names none, or one that is not known to be fine for a program that others install and run.
"""

import re
import sys
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata
from pathlib import Path

LOCK = Path(__file__).parents[1] / "requirements.lock"
FINE = re.compile(
    r"MIT|BSD|Apache|ISC|PSF|Python Software Foundation|MPL|Mozilla|Lesser General Public|LGPL", re.IGNORECASE
)
"""Permissive, or copyleft by file (MPL) or library (LGPL: psycopg) that is used unchanged."""


def locked(lock: str) -> list[str]:
    """The names in a lock file."""
    return re.findall(r"^([a-z0-9][a-z0-9._-]*)==", lock, re.MULTILINE)


def licence(package: PackageMetadata) -> str:
    """What a package says: its expression, else its classifiers, else the first line of its text."""
    classifiers = [name.rpartition(" :: ")[2] for name in package.get_all("Classifier") or [] if "License ::" in name]
    text = (package.get("License") or "").strip().partition("\n")[0]
    return package.get("License-Expression") or ", ".join(classifiers) or text


def main() -> int:
    doubtful = 0
    for name in locked(LOCK.read_text(encoding="utf-8")):
        try:
            found = licence(metadata(name))
        except PackageNotFoundError:
            sys.stdout.write(f"{name:32} (not for this platform)\n")
            continue
        doubtful += not FINE.search(found)
        sys.stdout.write(f"{name:32} {found or 'none named'}{'' if FINE.search(found) else '   <- look at this'}\n")
    return 1 if doubtful else 0


if __name__ == "__main__":
    sys.exit(main())
