"""Our specs against AWS's own service model, field by field: neither looser nor tighter."""

import pytest

from isthmus.model.kinds import KINDS
from isthmus.model.operations.words import APP_MESH_KINDS
from tests.contract.aws_model import SHAPES, compare


@pytest.mark.parametrize("kind", APP_MESH_KINDS)
def test_a_spec_is_exactly_app_meshs(kind: str) -> None:
    assert compare(f"{kind}Spec", KINDS[kind].spec, kind) == []


def test_the_comparison_finds_a_loosened_field(monkeypatch: pytest.MonkeyPatch) -> None:
    port = {"type": "integer", "box": True, "max": 65534, "min": 1}
    monkeypatch.setitem(SHAPES, "PortNumber", port)
    router = compare("VirtualRouterSpec", KINDS["VirtualRouter"].spec, "")
    assert any("maximum: App Mesh has 65534, we have 65535" in line for line in router)
    monkeypatch.setitem(SHAPES["VirtualServiceProvider"], "union", None)
    assert any("maxProperties" in line for line in compare("VirtualServiceSpec", KINDS["VirtualService"].spec, ""))
