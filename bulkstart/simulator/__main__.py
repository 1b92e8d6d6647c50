"""``python -m bulkstart.simulator``: the sandbox portal alone."""

from __future__ import annotations

import argparse
import sys

from . import serve


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bulkstart.simulator", description="A simulated Vibecode portal on 127.0.0.1."
    )
    parser.add_argument("--port", type=int, default=8018, help="port to listen on; 0: any free one (default 8018)")
    parser.add_argument("--scenario", metavar="FILE", help="what the portal does (see SCENARIOS.md); default: a harmless portal")
    parser.add_argument("--ledger", metavar="FILE", help="write what truly happened to this file, one JSON line each")
    chosen = parser.parse_args()
    return serve(chosen.scenario, port=chosen.port, ledger=chosen.ledger)


if __name__ == "__main__":
    sys.exit(main())
