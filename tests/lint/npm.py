"""A package-lock.json names no place to download from, and every package in it is hashed.

npm writes addresses unless the folder's .npmrc says `omit-lockfile-registry-resolved=true`. They would tie the lock to
one mirror; tests/lint/places.py knows only the public ones.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path


def main() -> int:
    """Exit 1 and a line for each package that is wrong."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*package-lock.json"]
    names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\0")
    locks = [Path(name) for name in names if name and Path(name).is_file()]
    found = [line for lock in locks for line in _wrong(lock)]
    print("\n".join(found) or f"{len(locks)} package-lock.json: hashed, and tied to no registry")
    return bool(found)


def _wrong(lock: Path) -> Iterator[str]:
    for name, package in json.loads(lock.read_text())["packages"].items():
        if not name:
            continue  # the folder itself
        if "resolved" in package:
            yield f"{lock}: {name} says where to download from"
        if not package.get("integrity", "").startswith("sha512-"):
            yield f"{lock}: {name} has no hash"


if __name__ == "__main__":
    sys.exit(main())
