"""definition: a whole mesh: `{kind: "Mesh", name, spec, settings, tags, resources, meta}` (contracts.md)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field

from isthmus.model.document import META, Document, Key, Tags, parse_named
from isthmus.model.kinds.mesh import MeshSpec
from isthmus.model.reading import Findings, read, refuse_unstorable
from isthmus.model.structure import Many, Maybe, Name, Structure
from isthmus.model.vips import is_range

Account = Annotated[str, Field(pattern=r"^[0-9]{12}$")]


class Settings(Structure):
    """How Isthmus treats a mesh, where App Mesh has no word for it. All optional."""

    model_config = ConfigDict(alias_generator=None)

    transport: Maybe[Literal["permissive", "strict"]] = None
    """Whether plaintext is allowed where no authenticated proxy stands (design §9). Default: permissive."""
    exports: Maybe[Literal["all", "listed"]] = None
    """Which services other clusters may call. Default: all."""
    strategy: Maybe[Literal["immediate", "staged"]] = None
    """Whether a rollout goes to all clusters at once or in waves. Default: immediate."""
    vips: Maybe[Annotated[str, AfterValidator(is_range)]] = None
    """From which IPv4 range virtual services get their addresses. Default: 127.128.0.0/10. Another range is for those
    that are made after it is set: an address never moves under its callers."""
    shared_with: Maybe[Many[Account]] = None
    """Which of the org's other accounts may use the mesh through App Mesh's interface. Default: all of them."""


@dataclass(frozen=True)
class Definition:
    """What a tenant says of one mesh."""

    name: str
    spec: MeshSpec = field(default_factory=MeshSpec)
    settings: Settings = field(default_factory=Settings)
    tags: Mapping[str, str] = field(default_factory=dict)
    documents: Mapping[Key, Document] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        """The definition as it travels."""
        return {
            "kind": "Mesh",
            "name": self.name,
            "spec": self.spec.json_object(),
            "settings": self.settings.json_object(),
            "tags": dict(self.tags),
            "resources": [document.json() for document in self.documents.values()],
        }


class _Envelope(Structure):
    """Everything of a definition; its resources are read one by one."""

    model_config = ConfigDict(alias_generator=None)

    kind: Literal["Mesh"]
    name: Name
    spec: MeshSpec
    settings: Maybe[Settings] = None
    tags: Maybe[Tags] = None
    resources: Maybe[list[Any]] = None


def parse_definition(raw: Any, *, name: str | None = None) -> Definition:  # noqa: ANN401 - decoded JSON
    """A definition out of decoded JSON. Raises Invalid with every violation of it and of all its resources.

    With `name` (of a URL), `kind` and `name` may be left out, but must not differ.
    """
    if isinstance(raw, dict):
        named = {} if name is None else {"kind": "Mesh", "name": name}
        raw = named | {member: value for member, value in raw.items() if member != META}
    found = Findings()
    envelope = found.of(lambda: read(_Envelope, raw, ""))
    if name is not None and isinstance(raw, dict) and raw["name"] != name:
        found.add("/name", "not_this_url", f"the URL says {name!r}")
    documents = _documents(raw.get("resources") if isinstance(raw, dict) else None, found)
    found.refuse()
    assert envelope is not None, "what is missing has been found"
    refuse_unstorable({member: value for member, value in raw.items() if member != "resources"}, "")
    return Definition(envelope.name, envelope.spec, envelope.settings or Settings(), envelope.tags or {}, documents)


def _documents(resources: Any, found: Findings) -> dict[Key, Document]:  # noqa: ANN401 - decoded JSON
    """The documents that can be read, in their order; a key that is taken is found."""
    documents: dict[Key, Document] = {}
    for i, raw in enumerate(resources if isinstance(resources, list) else ()):
        document = found.of(lambda raw=raw, i=i: parse_named(raw, f"/resources/{i}"))  # type: ignore[misc]
        if document is None:
            continue
        if documents.setdefault(document.key, document) is not document:
            found.add(f"/resources/{i}", "duplicate", f"{document.key} is in the list already")
    return documents
