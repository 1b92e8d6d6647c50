"""``python -m bulkstart``: the same program as the console script."""

from bulkstart.cli import script

if __name__ == "__main__":
    script()
