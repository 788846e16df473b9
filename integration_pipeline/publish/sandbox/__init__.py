"""Google Sheets and Google's token endpoint, imitated; gspread and Google's own schemas judge it.

Independent of the client in the folder above, so that each can prove the other wrong.
"""

from integration_pipeline.publish.sandbox.routes import SANDBOX

__all__ = ["SANDBOX"]
