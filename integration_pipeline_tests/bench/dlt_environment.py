"""dlt's own environment: made when the bench needs it, in the user's cache, never among the product's packages."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

VERSION = "1.31.0"
SUBJECT = Path(__file__).with_name("dlt_subject.py")


class Missing(Exception):
    """dlt cannot be had here; the message says why."""


def interpreter() -> Path:
    """The Python that has dlt.

    :raises Missing: it could not be installed.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "integration-pipeline-bench"
    folder = cache / f"dlt-{VERSION}-python{sys.version_info.major}.{sys.version_info.minor}"
    python, done = folder / "bin" / "python", folder / "installed"
    if done.exists():
        return python
    install: list[str | Path] = [python, "-m", "pip", "--disable-pip-version-check", "--quiet", "--no-input", "install"]
    try:
        _run([sys.executable, "-m", "venv", "--clear", folder])
        _run([*install, f"dlt[postgres]=={VERSION}"])
    except (OSError, subprocess.CalledProcessError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        raise Missing(f"it cannot be installed here: {said[-1] if said else type(error).__name__}") from error
    done.touch()
    return python


def _run(command: Sequence[str | Path]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
