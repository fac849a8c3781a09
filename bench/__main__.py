"""`python -m bench [NAME…]`: run the benchmarks and print one table, ready for the README."""

import argparse
import importlib
import json
import pkgutil
import sys
from dataclasses import asdict

import bench

NO_BENCHMARKS = {"__main__", "control_plane", "floor", "soak", "stock"}
"""What benchmarks share, and what is run by other commands."""


def main() -> int:
    """Exit 1 if a figure misses its bound by more than three times (testing.md: CI fails only there)."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    names = sorted({m.name for m in pkgutil.iter_modules(bench.__path__)} - NO_BENCHMARKS)
    parser.add_argument("names", nargs="*", help=f"which: {', '.join(names)}; default all")
    parser.add_argument("--json", action="store_true", help="print JSON only on stdout")
    given = parser.parse_args()
    figures = []
    for name in given.names or names:
        sys.stderr.write(f"bench {name} …\n")
        figures += importlib.import_module(f"bench.{name}").run()
    if given.json:
        sys.stdout.write(json.dumps([asdict(f) for f in figures], indent=2) + "\n")
    else:
        sys.stdout.write("| what | median | must | runs |\n|---|---|---|---|\n")
        sys.stdout.writelines(f.line + "\n" for f in figures)
    return 1 if any(f.must is not None and f.value > 3 * f.must for f in figures) else 0


if __name__ == "__main__":
    raise SystemExit(main())
