"""Limits used to the full, as far as it is a matter of counting: in virtual time the figure is the same on every machine.

So it is a test and no measurement: every operation of every provider against its vendor's own count, at least 97 % of what the
vendor would have taken and nothing refused. Here it is only told.
"""

import subprocess
import sys
from pathlib import Path

from integration_pipeline_tests.bench.results import Results

NAME = "limits at full rate"
_TESTS = Path(__file__).resolve().parents[1] / "http" / "test_full_rate.py"


def measure(results: Results) -> None:
    """Run the tests, and tell what came of them."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(_TESTS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = done.stdout.strip().splitlines()
    results.word(NAME, said[-1] if said else f"the tests could not run: exit code {done.returncode}")
    results.figure(NAME, float(done.returncode == 0))
