"""No file of the repository knows the machine it was written on, nor the registry its packages came from.

A clone must install and run on a machine with another layout and another mirror. Looks at what is committed or about to
be; a line that must say such a thing ends with `lint: place`, and the reason.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

REGISTRY = r"pypi\.(org|python\.org)|files\.pythonhosted\.org|registry\.(npmjs\.org|yarnpkg\.com)|proxy\.golang\.org"
PATH = r"(?<![\w.~}$/-])/(work/(main|shared)|root/|home/\w+/|Users/\w+/|opt/(pypi|wheels))"
PLACE = re.compile(f"{REGISTRY}|{PATH}")
EXEMPT = "lint: place"


def main() -> int:
    """Exit 1 and a line for each place named."""
    found = [line for path in _files() for line in _named(path)]
    print("\n".join(found) or "no registry and no path of this machine is named")
    return bool(found)


def _files() -> list[Path]:
    """What is tracked, or would be by `git add`: what is ignored is never committed."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\0")
    return [Path(name) for name in names if name and Path(name).is_file()]


def _named(path: Path) -> Iterator[str]:
    try:
        lines = path.read_text().splitlines()
    except UnicodeDecodeError:
        return  # not text
    for number, line in enumerate(lines, 1):
        match = PLACE.search(line)
        if match and EXEMPT not in line:
            yield f"{path}:{number}: names {match[0]!r}"


if __name__ == "__main__":
    sys.exit(main())
