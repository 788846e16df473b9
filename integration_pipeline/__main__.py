"""``python -m integration_pipeline``, the same as the command ``integration-pipeline``."""

import sys

from integration_pipeline.cli import main

if __name__ == "__main__":
    sys.exit(main())
