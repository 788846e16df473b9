"""A headless Chromium, spoken to through a pipe (https://chromedevtools.github.io/devtools-protocol/).

Its command line alone would not do: a window is never narrower than 500 pixels, and a picture never longer than one.
"""  # noqa: INP001 - a script's part, no package

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-lcd-text",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


class Size(NamedTuple):
    """A page as the browser lays it out, in CSS pixels."""

    width: int
    height: int


class Tab:
    """One page at a time."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._number = 0
        self._rest = b""
        self._session: str | None = None
        target = self._send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._send("Page.enable")

    def open(self, page: Path, width: int) -> Size:
        """Show a file on a screen of a width; how large the page then is."""
        self._send("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False)
        self._send("Page.navigate", url=page.resolve().as_uri())
        self._until("Page.loadEventFired")
        size = self._send("Page.getLayoutMetrics")["cssContentSize"]
        return Size(int(size["width"]), int(size["height"]))

    def photograph(self, size: Size, picture: Path) -> None:
        """All of the page, or its upper part."""
        clip = {"x": 0, "y": 0, **size._asdict(), "scale": 1}
        answer = self._send("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        picture.write_bytes(base64.b64decode(answer["data"]))

    def print(self, file: Path) -> None:
        """The page on paper, of the size it asks for, as a PDF."""
        answer = self._send("Page.printToPDF", preferCSSPageSize=True)
        file.write_bytes(base64.b64decode(answer["data"]))

    def close(self) -> None:
        """End the browser, and wait until it has."""
        self._session = None
        self._send("Browser.close")
        while os.read(self._answers, 1 << 20):
            pass

    def _send(self, method: str, /, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            pass
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    def _until(self, event: str) -> None:
        while self._next().get("method") != event:
            pass

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            read = os.read(self._answers, 1 << 20)
            if not read:
                raise RuntimeError("the browser went away")
            self._rest += read
        message, _, self._rest = self._rest.partition(b"\0")
        decoded: dict[str, Any] = json.loads(message)
        return decoded


@contextmanager
def opened(program: str, profile: Path) -> Iterator[Tab]:
    """A browser of our own, gone after the block.

    :param profile: a folder for its files.
    """
    (reads, commands), (answers, writes) = os.pipe(), os.pipe()
    # The protocol's pipes are file descriptors 3 and 4.
    script = f'exec "$@" 3<&{reads} 4>&{writes}'
    process = subprocess.Popen(  # noqa: S603 - the browser found on the PATH
        ["/bin/bash", "-c", script, "browser", program, *_FLAGS, f"--user-data-dir={profile}"],
        pass_fds=(reads, writes),
        stderr=subprocess.DEVNULL,
    )
    os.close(reads)
    os.close(writes)
    try:
        tab = Tab(commands, answers)
        yield tab
        # Told so and not killed, it ends its helpers, which write to the profile until they are gone.
        tab.close()
    finally:
        os.close(commands)
        os.close(answers)
        process.terminate()
        process.wait()
