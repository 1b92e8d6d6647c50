"""``python -m bulkstart``: the same program as the console script."""

import sys

from bulkstart.cli import main

if __name__ == "__main__":
    sys.exit(main())
