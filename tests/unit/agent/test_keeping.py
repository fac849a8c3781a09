"""What is kept on disk, and the small decisions around it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.agent.discovery import Instance
from gateway.agent.discovery.file import FileDiscovery
from gateway.agent.host import host_names, host_of
from gateway.agent.host_tokens import LIFE, HostTokens
from gateway.agent.state import State
from gateway.agent.world import Place
from gateway.proto import link_pb2 as link
from isthmus.errors import Denied
from isthmus.values import Secret, TrustDomain
from tests.unit.agent.given import EAST, MESH, mesh

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PLACE = Place("east", EAST, "us-east-1", "east-1.acme.isthmus.internal")
DOMAIN = TrustDomain("east-1.acme.isthmus.internal")


def kept(folder: Path) -> State:
    """A state with one of everything."""
    state = State(folder)
    state.place(PLACE)
    state.definition(mesh())
    state.trust(link.Trust(bundles=[link.Bundle(trust_domain=DOMAIN.text, roots_pem=[b"root"])]))
    state.imports(link.Imports(position=link.Position(mesh=MESH, version="i"), peers=[link.Peer(cluster="west")]))
    state.summary(link.Summary(mesh=MESH, generation=7))
    state.proxied({"blue": {8080: 15006}})
    return state


def test_everything_kept_is_there_again(tmp_path: Path) -> None:
    kept(tmp_path)
    state = State(tmp_path)
    world = state.world(Place("east", EAST))
    assert world.place == PLACE
    assert world.meshes[MESH].manifest == mesh().manifest
    assert world.imports[MESH].peers[0].cluster == "west"
    assert world.trust == {DOMAIN.text: (b"root",)}
    assert state.summaries()[MESH].generation == 7
    assert world.proxied == {"blue": {8080: 15006}}


def test_what_the_disk_damaged_is_left_out_and_the_rest_stays(tmp_path: Path) -> None:
    state = kept(tmp_path)
    (path,) = (tmp_path / "kept" / "definition").iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    world = state.world(Place("east", EAST))
    assert not world.meshes
    assert world.trust


def test_a_mesh_that_was_withdrawn_is_gone(tmp_path: Path) -> None:
    state = kept(tmp_path)
    state.withdraw(MESH)
    world = state.world(Place("east", EAST))
    assert (world.meshes, world.imports) == ({}, {})
    assert state.summaries()[MESH].generation == 7, "its generation goes on"


def test_a_mesh_id_cannot_leave_the_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="UUID"):
        State(tmp_path).imports(link.Imports(position=link.Position(mesh="../../etc/x")))


def test_what_is_kept_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    kept(tmp_path)
    modes = {p.stat().st_mode & 0o077 for p in tmp_path.rglob("*") if p.is_file()}
    assert modes == {0}


def test_a_broken_file_keeps_what_was_good_also_over_a_restart(tmp_path: Path) -> None:
    file, beside = tmp_path / "instances.yaml", tmp_path / "kept.yaml"
    file.write_text("instances: [{name: a, host: h, address: 10.0.0.1}]")
    first = FileDiscovery(file, beside).read()
    assert (first.instances, first.stale) == ((Instance("a", "h", "10.0.0.1"),), False)
    for broken in ("instances: [{name: a", "", "instances: [{name: b}]", None):
        file.unlink() if broken is None else file.write_text(broken)
        again = FileDiscovery(file, beside).read()
        assert (again.instances, again.stale) == (first.instances, True), broken


def test_a_host_token_is_spent_once_in_time_and_lies_there_as_a_hash(tmp_path: Path) -> None:
    tokens, token = HostTokens(tmp_path), Secret("host_secret")
    tokens.add(token, "h1", NOW)
    assert not any(
        "host_secret" in p.name or b"host_secret" in p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()
    )
    assert tokens.spend(token, NOW) == "h1"
    with pytest.raises(Denied, match="unknown or used"):
        tokens.spend(token, NOW)
    tokens.add(token, "h1", NOW)
    with pytest.raises(Denied, match="expired"):
        tokens.spend(token, NOW + LIFE)
    with pytest.raises(Denied, match="unknown or used"):
        tokens.spend("../link", NOW)


def test_tokens_that_nobody_used_are_swept_out(tmp_path: Path) -> None:
    tokens = HostTokens(tmp_path)
    tokens.add(Secret("one"), "h1", NOW)
    tokens.add(Secret("two"), "h2", NOW + LIFE + timedelta(seconds=1))
    assert len(list((tmp_path / "host-tokens").iterdir())) == 1


@pytest.mark.parametrize("name", ["h1", "Host.example-1", "a_b"])
def test_a_host_is_read_from_its_id(name: str) -> None:
    assert host_of(DOMAIN.host(name), DOMAIN) == name


@pytest.mark.parametrize(
    "spiffe_id",
    [
        DOMAIN.node("shop", "blue"),
        DOMAIN.agent("a-0"),
        TrustDomain("west-1.acme.isthmus.internal").host("h1"),
        f"spiffe://{DOMAIN.text}/host/h1/node/x",
        f"spiffe://{DOMAIN.text}/host/a_5Fb_",
        "",
    ],
)
def test_what_is_no_host_of_this_cluster_is_refused(spiffe_id: str) -> None:
    with pytest.raises(Denied):
        host_of(spiffe_id, DOMAIN)


def test_server_names_are_the_hosts_of_addresses() -> None:
    assert host_names(["10.0.0.1:1", "[::1]:2", "10.0.0.1:3"]) == ("10.0.0.1", "::1")
