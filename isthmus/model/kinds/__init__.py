"""The registry of kinds: this folder is the list. A module in it that says `KIND` or `KINDS` adds to it."""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from typing import Any

from isthmus.model.kind import ResourceKind

__all__ = ["KINDS", "ResourceKind"]


def _found() -> Iterator[ResourceKind[Any]]:
    for file in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{file.name}")
        yield from getattr(module, "KINDS", None) or (module.KIND,)


KINDS: Mapping[str, ResourceKind[Any]] = {kind.name: kind for kind in _found()}
"""Every kind of document by name, App Mesh's seven and ours."""
