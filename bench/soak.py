"""`python -m bench.soak [NAME…]`: the full counts, by the same code as `make test`, into docs/evidence/.

Each part ends within ten minutes and prints the commit, seed, counts and duration of what it did.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.attack.campaign import campaign
from tests.contract.appmesh.conftest import installed
from tests.databases import server
from tests.drawing.campaign import in_two_halves
from tests.editing import edited
from tests.journey.storm import storm

EVIDENCE = Path(__file__).parent.parent / "docs" / "evidence"
KILLS = 200
FORGERIES = 10_000
MESHES = 15_000
SEQUENCES, STEPS = 5_000, 10


def kills() -> tuple[str, bool]:
    """Two hundred kills under load: what was counted, and whether nothing was lost."""
    count = storm(KILLS, seed=int(time.time()))
    return count.line, (count.missing, count.phantoms, count.unkept_promises) == (0, 0, 0)


def signatures() -> tuple[str, bool]:
    """Ten thousand forged requests to App Mesh's API, and honest ones between them."""
    with TemporaryDirectory(prefix="isthmus-") as home, server() as running, installed(running, Path(home)) as made:
        tally = campaign(made, FORGERIES, seed=int(time.time()))
    return tally.report, tally.held


def meshes() -> tuple[str, bool]:
    """Twenty thousand drawn meshes, compiled, and taken by a real Envoy."""
    verdict = in_two_halves(MESHES, first=int(time.time()))
    return verdict.report, verdict.held


def edits() -> tuple[str, bool]:
    """Thousands of random edit sequences, after each step of which a warm compiler is compared with a fresh one."""
    first = int(time.time())
    with ProcessPoolExecutor(max_workers=2, mp_context=get_context("spawn")) as pool:
        anew = sum(pool.map(_edited, range(first, first + SEQUENCES), chunksize=50))
    return f"{SEQUENCES} sequences of {STEPS} edits, seeds from {first}: equal bytes after each; {anew} resources", True


def _edited(seed: int) -> int:
    return edited(seed, STEPS)


PARTS: Mapping[str, Callable[[], tuple[str, bool]]] = {
    "compile": meshes,
    "edits": edits,
    "kills": kills,
    "signatures": signatures,
}


def main() -> int:
    """Exit 1 if any part did not hold."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"which: {', '.join(PARTS)}; default all")
    held = True
    for name in parser.parse_args().names or PARTS:
        sys.stderr.write(f"soak {name} …\n")
        began = time.monotonic()
        line, good = PARTS[name]()
        held &= good
        _keep(name, f"{line}\ntook {time.monotonic() - began:.0f} s", good=good)
    return 0 if held else 1


def _keep(name: str, line: str, *, good: bool) -> None:
    asked = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    verdict = "held" if good else "DID NOT HOLD"
    text = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {commit.strip()}, {verdict}\n{line}\n"
    sys.stdout.write(text)
    (EVIDENCE / f"{name}.txt").write_text(text)


if __name__ == "__main__":
    raise SystemExit(main())
