"""A listener finds its further certificates by itself, and only those; a document that goes takes them along."""

from typing import Any

from isthmus.incremental import ABSENT, Computation
from isthmus.ir.listener_certificates import place
from isthmus.ir.said import Documents, Said
from isthmus.model.definition import Settings
from isthmus.model.document import Document, parse_document
from isthmus.model.kinds.mesh import MeshSpec

EDGE = place("VirtualGateway", "edge", 443)
BLUE = place("VirtualNode", "blue", 443)


def listing(name: str, of: dict[str, str], *certificates: str, port: int = 443) -> Document:
    arns = [f"arn:aws:acm:eu-west-1:111122223333:certificate/{each}" for each in certificates]
    raw: dict[str, Any] = {"kind": "ListenerCertificates", "name": name}
    return parse_document(raw | {"spec": {**of, "port": port, "certificates": arns}})


class Mesh:
    def __init__(self) -> None:
        self.computation = Computation()
        self.documents = Documents(self.computation)
        self.said = Said.of(self.computation, "shop", MeshSpec(), Settings(), frozenset())

    def put(self, *documents: Document) -> None:
        self.documents.put([(document.key, document) for document in documents], {})

    def at(self, listener: str) -> list[str]:
        return [arn.rpartition("/")[2] for arn in self.said.certificates.get(listener) or ()]


def test_a_listener_has_its_own_list_in_the_order_in_which_it_was_said() -> None:
    mesh = Mesh()
    mesh.put(listing("shops", {"gateway": "edge"}, "b", "a"), listing("blues", {"node": "blue"}, "c"))
    assert (mesh.at(EDGE), mesh.at(BLUE)) == (["b", "a"], ["c"])
    assert mesh.at(place("VirtualGateway", "edge", 444)) == []


def test_a_document_that_moves_to_another_listener_leaves_the_one_it_was_of() -> None:
    mesh = Mesh()
    mesh.put(listing("shops", {"gateway": "edge"}, "a"))
    mesh.put(listing("shops", {"node": "blue"}, "a"))
    assert (mesh.at(EDGE), mesh.at(BLUE)) == ([], ["a"])


def test_a_document_that_goes_takes_its_list_along() -> None:
    mesh = Mesh()
    document = listing("shops", {"gateway": "edge"}, "a")
    mesh.put(document)
    mesh.documents.put([(document.key, None)], {})
    assert mesh.computation.read(("further certificates of a listener", EDGE)) is ABSENT


def test_what_stands_on_one_listener_is_not_reached_by_the_list_of_another() -> None:
    mesh = Mesh()
    mesh.put(listing("shops", {"gateway": "edge"}, "a"), listing("blues", {"node": "blue"}, "c"))
    mesh.computation.get("edge's", lambda: mesh.said.certificates.get(EDGE))
    mesh.put(listing("blues", {"node": "blue"}, "d"))
    assert list(mesh.computation.reached()) == []
    mesh.put(listing("shops", {"gateway": "edge"}, "e"))
    assert list(mesh.computation.reached()) == ["edge's"]
