"""The `isthmus` command: every module of this folder that has a `register` adds its commands; there is no other list.

Command modules import what is heavy inside their commands, so that `isthmus --help` costs no database and no Envoy.
"""

import importlib
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path

import typer

from isthmus import cli
from isthmus.errors import Invalid, IsthmusError

HELP = "Isthmus: a managed multi-cluster service mesh that speaks AWS App Mesh's API and drives stock Envoy."
EXIT_CODES = (
    "Exit codes: 0 done · 1 refused or failed · 2 wrong usage · 3 changed by somebody else meanwhile · 4 halted · "
    "130 interrupted"
)


def create() -> typer.Typer:
    """The command with all its subcommands."""
    app = typer.Typer(
        name="isthmus", help=HELP, epilog=EXIT_CODES, no_args_is_help=True, add_completion=False,
        pretty_exceptions_enable=False,
    )  # fmt: skip
    for name in _commands():
        importlib.import_module(name).register(app)
    return app


def _commands() -> Iterator[str]:
    """The modules with a `register`: their text says so, and the others, which are heavy, need not be imported."""
    for path in cli.__path__:
        for found in pkgutil.iter_modules([path]):
            if "\ndef register(" in (Path(path) / f"{found.name}.py").read_text(encoding="utf-8"):
                yield f"{cli.__name__}.{found.name}"


def main() -> None:
    """Run the command that the arguments name; an error of ours becomes a message and exit code 1."""
    try:
        create()()
    except Invalid as e:
        sys.exit("\n".join(f"{v.pointer or '/'}: {v.detail}" for v in e.violations))
    except IsthmusError as e:
        sys.exit(str(e))


if __name__ == "__main__":
    main()
