"""A tenant reads quotas through the API, the operator sets them in the database."""

import pytest

from isthmus.store.quotas import APP_MESH, DEFAULTS
from tests.contract.cli.conftest import Run
from tests.databases import Copy


@pytest.fixture
def operator(isthmus: Run, copy: Copy, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Somebody who has the database's address."""
    monkeypatch.setenv("ISTHMUS_DATABASE_URL", copy.url)
    return isthmus


def limits(run: Run) -> dict[str, int]:
    """What is listed."""
    return {quota["name"]: quota["limit"] for quota in run("quota", "list", "-o", "json").json}


def test_a_quota_is_set_and_set_back(operator: Run) -> None:
    assert limits(operator) == DEFAULTS
    assert operator("quota", "set", "virtual_nodes_per_mesh", 7, "--org", "acme").code == 0
    assert limits(operator) == {**DEFAULTS, "virtual_nodes_per_mesh": 7}
    assert operator("quota", "set", "virtual_nodes_per_mesh", "--org", "acme").code == 0
    assert limits(operator) == DEFAULTS
    assert operator("quota", "set", "app-mesh", "--org", "acme").code == 0
    assert limits(operator) == {**DEFAULTS, **APP_MESH}
    assert "virtual_gateways_per_mesh" in operator("quota", "list").out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(("set", "teapots", 1, "--org", "acme"), "teapots"), (("set", "objects_per_mesh", 1, "--org", "nobody"), "org")],
    ids=["no such quota", "no such org"],
)
def test_what_is_not_there_cannot_be_set(operator: Run, arguments: tuple[object, ...], told: str) -> None:
    refused = operator("quota", *arguments)
    assert refused.code == 1
    assert told in refused.err
    assert limits(operator) == DEFAULTS
