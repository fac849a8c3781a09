"""App Mesh's own walkthrough of TLS from files runs: what it says answers answers, what it says fails fails.

`front` trusts one authority, which signed blue's certificate; green has another's, red has none. Then `front` is given
both authorities and started again, as the walkthrough goes on (howto-k8s-tls-file-based).
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from isthmus.model.definition import Definition
from tests import build
from tests.contract.envoy.authorities import Authority, put
from tests.contract.envoy.corpus import CORPUS, manifests
from tests.contract.envoy.stage import HERE, HTTP, Instance, Stage

pytestmark = [pytest.mark.shared, pytest.mark.skipif(not CORPUS.exists(), reason="../shared is absent")]

FIRST, SECOND = Authority("ca 1"), Authority("ca 2")
SERVICE = "color.app-namespace.svc.cluster.local"
SIGNED = {"blue": FIRST, "green": SECOND}


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """All of them in east."""
    colors = (Instance(color, f"{color}_app-namespace") for color in ("blue", "green", "red"))
    made = Stage(Instance("front", "front_app-namespace"), *colors)
    try:
        yield made
        assert made.ads.refused == []
    finally:
        made.stop()


def definition(folder: Path) -> Definition:
    """The walkthrough's, with its certificates in a folder and its port one that is free."""
    ((_, said),) = [each for each in manifests() if each[0].startswith("crd/howto-k8s-tls-file-based")]
    documents = []
    for key, document in said.documents.items():
        text = json.dumps(document.spec.json_object())
        text = text.replace('"/certs/', f'"{folder}/').replace("8080", str(HTTP))
        documents.append(build.document(key.kind, key.name, json.loads(text), parent=key.parent))
    attached = {build.attachment(cluster).key: build.attachment(cluster) for cluster in HERE}
    everything = {each.key: each for each in documents} | attached
    return build.definition(*everything.values(), name="shop")


def test_it_does_as_the_walkthrough_says(stage: Stage, tmp_path: Path) -> None:
    for color, authority in SIGNED.items():
        pair = authority.issue(f"color-{color}.app-namespace.svc.cluster.local")
        put(tmp_path / f"colorapp-{color}_cert_chain.pem", pair.chain)
        put(tmp_path / f"colorapp-{color}_key.pem", pair.key)
    put(tmp_path / "frontend-cert-chain", FIRST.pem)
    stage.apply(definition(tmp_path))

    def answers() -> dict[str, str]:
        asked = {c: stage.ask("front", SERVICE, headers={"color_header": c}) for c in ("blue", "green", "red")}
        return {color: answer.by for color, answer in asked.items()}

    restart(stage)
    assert answers() == {"blue": "blue", "green": "503", "red": "503"}
    put(tmp_path / "frontend-cert-chain", FIRST.pem + SECOND.pem)
    restart(stage)
    assert answers() == {"blue": "blue", "green": "green", "red": "503"}


def restart(stage: Stage) -> None:
    """`front`'s proxy alone, when the others run: what its health checks found before would count for five seconds."""
    stage.kill("front")
    stage.start()
