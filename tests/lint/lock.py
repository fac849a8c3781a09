"""The lock file and pyproject.toml agree, and the lock installs anywhere.

Resolving anew would be slow, and would give another answer whenever somebody publishes a release. So this asks only
what must hold at any time: every direct dependency is locked at a version that its specifier admits, everything is
hashed, no line names a place to download from, and a package that overwrites another's files is absent.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCK = Path("requirements.lock")
UNWANTED = {"opentelemetry-proto": "it overwrites modules of xds-protos, so the result would depend on install order"}


def main() -> int:
    """Exit 1 and a line for each disagreement."""
    text = LOCK.read_text()
    found = [*_places(text), *_disagreements(_wanted(), _locked(text))]
    print("\n".join(found) or f"{LOCK}: agrees with pyproject.toml")
    return bool(found)


def _wanted() -> list[Requirement]:
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    return [Requirement(line) for group in (project["dependencies"], *extras) for line in group]


def _locked(text: str) -> list[tuple[str, str]]:
    """Names and versions; a package may have a second version, for other Pythons."""
    lines = re.findall(r"^([\w.-]+)==([^\s;\\]+)", text, re.MULTILINE)
    return [(canonicalize_name(name), version) for name, version in lines]


def _disagreements(wanted: list[Requirement], locked: list[tuple[str, str]]) -> Iterator[str]:
    for requirement in wanted:
        versions = [version for name, version in locked if name == canonicalize_name(requirement.name)]
        if not versions:
            yield f"{LOCK}: {requirement.name} is missing; run `make lock`"
        for version in versions:
            if not requirement.specifier.contains(version, prereleases=True):
                yield f"{LOCK}: {requirement.name} {version} is not {requirement.specifier}; run `make lock`"
    for name in UNWANTED.keys() & dict(locked).keys():
        yield f"{LOCK}: {name} must not be installed: {UNWANTED[name]}"


def _places(text: str) -> Iterator[str]:
    for entry in re.split(r"\n(?=\S)", text.strip()):
        name = entry.split(" ", 1)[0]
        if re.search(r"://|^-| @ ", entry):
            yield f"{LOCK}: {name!r} says where to download from"
        elif "--hash=sha256:" not in entry:
            yield f"{LOCK}: {name} has no hash"


if __name__ == "__main__":
    sys.exit(main())
