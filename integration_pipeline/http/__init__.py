"""The way to providers; importing it imports httpx, without httpx's own command line.

That brings click, rich and pygments along wherever they are installed, which takes longer than all the rest of it.
"""

import sys

if "httpx" not in sys.modules:
    # To Python, a module that is not installed.
    sys.modules["httpx._main"] = None  # type: ignore[assignment]
    import httpx  # noqa: F401

    del sys.modules["httpx._main"]
