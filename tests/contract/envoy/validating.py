"""validating: what a real Envoy says of a view, by the product's own validation, which remembers what it was asked."""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from gateway.envoy.validate import Validator
from isthmus.xds.snapshot import Resource


def refused(resources: Iterable[Resource], envoy: Path | None = None, runtime: Mapping[str, Any] | None = None) -> str:
    """Envoy's own words about why it would not run with these; empty if it would. Ours, unless told otherwise."""
    return _validator(envoy, None if runtime is None else tuple(sorted(runtime.items()))).refused(resources)


@cache
def _validator(envoy: Path | None, runtime: tuple[tuple[str, Any], ...] | None) -> Validator:
    return Validator(envoy, None if runtime is None else dict(runtime))
