"""Whatever stands in a file, an import gives definitions or an Invalid, and nothing else escapes."""

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from isthmus.errors import Invalid
from isthmus.imports.cloudformation import read_templates
from isthmus.imports.crd import read_crds
from isthmus.imports.template import parse_template
from tests.unit.imports import manifests as m
from tests.unit.imports.test_cloudformation import EVERY_KIND

SHOP = [
    m.mesh(),
    m.gateway(podSelector={"matchLabels": {"a": "b"}}),
    m.gateway_route(labels={"a": "b"}),
    m.service(provider={"virtualRouter": {"virtualRouterRef": {"name": "cart"}}}),
    m.router(m.route("first", {"virtualNodeRef": {"name": "front"}, "weight": 1})),
    m.node(backends=[m.backend("cart")], backendGroups=[{"name": "all"}], podSelector={}),
    m.resource("BackendGroup", "all", {"virtualservices": [{"name": "cart"}]}),
    m.resource("Namespace", "shop", {}, namespace=None, api="v1", labels={"a": "b"}),
    m.resource("Deployment", "d", {"template": {"metadata": {"labels": {}}, "spec": {}}}, api="apps/v1"),
]
TEMPLATE = parse_template(EVERY_KIND)
JUNK: tuple[Any, ...] = (None, 0, -1, 1.5, True, "", "x", [], [1], {}, {"a": 1}, {"Ref": "x"}, {"Fn::If": [1]}, ["x"])


def places(value: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401 - JSON
    """Every (container, key) in it."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield value, key
        yield from places(item)


def spoilt(whole: Any, seed: int) -> Any:  # noqa: ANN401 - JSON
    """A copy with up to three things in it replaced."""
    chance, made = random.Random(seed), copy.deepcopy(whole)
    for _ in range(chance.randint(1, 3)):
        container, key = chance.choice(list(places(made)))
        container[key] = chance.choice(JUNK)
    return made


def refusals(reading: Callable[[], object]) -> list[str]:
    """Where something is wrong."""
    try:
        reading()
    except Invalid as invalid:
        return [v.pointer for v in invalid.violations if v.code != "nothing_found"]
    return []


@pytest.mark.parametrize("seed", range(200))
def test_junk_in_manifests(seed: int) -> None:
    text = yaml.safe_dump_all(spoilt(SHOP, seed))
    for pointer in refusals(lambda: read_crds([("shop.yaml", text)], with_bindings=True)):
        assert pointer.startswith("shop.yaml: ")


@pytest.mark.parametrize("seed", range(200))
def test_junk_in_templates(seed: int) -> None:
    text = json.dumps(spoilt(TEMPLATE, seed))
    for pointer in refusals(lambda: read_templates([("shop.json", text)])):
        assert pointer.startswith("shop.json: ")
