"""Ports for servers that are told theirs, and bind it later."""

import contextlib
import os
import socket

HOST = "127.0.0.1"


def unused() -> int:
    """A port that nobody uses, and that the system gives to nobody who asks for any: those begin higher."""
    for port in range(20_000 + os.getpid() % 10_000, 32_000):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port
    raise RuntimeError("every port is in use")
