"""LINE WORKS, imitated. Independent of the client in the folder above, so that each can prove the other wrong."""

from integration_pipeline.providers.lineworks.sandbox.routes import SANDBOX

__all__ = ["SANDBOX"]
