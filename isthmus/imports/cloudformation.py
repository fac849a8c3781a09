"""cloudformation: the `AWS::AppMesh::…` resources of templates as the API calls CloudFormation would have made of them.

Several templates are one input: what one exports another imports, and one mesh may be spread over all of them.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from isthmus.errors import Invalid
from isthmus.imports.definitions import Imported, imported
from isthmus.imports.fitting import coerced, text
from isthmus.imports.inputs import Given
from isthmus.imports.intrinsic import NO_VALUE, Unresolved, resolved
from isthmus.imports.kubernetes import Files
from isthmus.imports.loose import mapping
from isthmus.imports.notes import Notes
from isthmus.imports.said import Place, Said
from isthmus.imports.stack import PREFIX, Stack
from isthmus.imports.template import parse_template
from isthmus.model.key import PARENTS
from isthmus.model.operations.words import APP_MESH_KINDS
from isthmus.model.reading import Findings


def read_templates(files: Files, given: Given | None = None) -> Imported:
    """The meshes that templates describe. Raises Invalid with everything that cannot be worked out."""
    given, notes, found = given or Given(), Notes(), Findings()
    stacks: list[Stack] = []
    for file, content in files:
        template = _template(file, content, notes, found)
        if template is not None:
            stacks.append(Stack(file, template, given, stacks, notes))
    _unused(given, stacks, found)
    said = [each for stack in stacks for each in _said(stack, notes, found)]
    found.refuse()
    return imported(said, notes)


def _template(file: str, content: str, notes: Notes, found: Findings) -> Mapping[str, Any] | None:
    """A file that cannot be read matters only if it may speak of App Mesh."""
    try:
        template = parse_template(content)
    except Invalid as invalid:
        if PREFIX in content:
            found.all += [violation.under(f"{file}: ") for violation in invalid.violations]
            return None
        template = None
    if template is None:
        notes.skip("a file that is no CloudFormation template")
    return template


def _unused(given: Given, stacks: list[Stack], found: Findings) -> None:
    """A parameter that no template has is a typing error."""
    known = {name for stack in stacks for name in stack.names}
    for name in given.parameters:
        if name.partition(".")[0] not in known:
            found.add(f"--parameter {name}", "unknown_parameter", "no template has such a parameter or resource")


def _said(stack: Stack, notes: Notes, found: Findings) -> Iterator[Said]:
    for logical in stack.resources:
        resource = mapping(stack.resources, logical)
        kind = str(resource.get("Type"))
        if str(logical).startswith("Fn::") or (
            kind.startswith(PREFIX) and kind.removeprefix(PREFIX) not in APP_MESH_KINDS
        ):
            found.all.append(stack.place(logical).violation("", "unresolved", "is not worked out here"))
        elif not kind.startswith(PREFIX):
            notes.skip(kind)
        else:
            yield from _resource(stack, logical, kind.removeprefix(PREFIX), notes, found)


def _resource(stack: Stack, logical: str, kind: str, notes: Notes, found: Findings) -> Iterator[Said]:
    """The document of one resource, unless its condition is false or something in it cannot be worked out."""
    place = stack.place(logical)
    try:
        if not stack.exists(logical):
            notes.remark(f"{place.at()} is left out, because its condition is false")
            return
        mesh, name, parent = stack.mesh(logical), stack.name(logical), stack.parent(logical)
    except Unresolved as unresolved:
        found.all.append(place.violation("/Properties", "unresolved", str(unresolved)))
        return
    properties = mapping(stack.resources, logical, "Properties")
    names = {"MeshName", f"{kind}Name", *([f"{PARENTS[kind]}Name"] if kind in PARENTS else [])}
    for unknown in sorted(properties.keys() - names - {"Spec", "Tags", "MeshOwner"}):
        found.all.append(place.violation(f"/Properties/{unknown}", "unknown_field", "there is no such field"))
    if "MeshOwner" in properties:
        notes.leave_out("MeshOwner", "the mesh will be your account's own")
    before = len(found.all)
    spec = resolved(properties.get("Spec", {}), stack, place, found, "/Properties/Spec")
    tags = resolved(properties.get("Tags", []), stack, place, found, "/Properties/Tags")
    if len(found.all) == before:
        said = coerced(kind, {} if spec is NO_VALUE else spec)
        yield Said(place, mesh, kind, name, said, parent, _tags([] if tags is NO_VALUE else tags, place, found))


def _tags(raw: Any, place: Place, found: Findings) -> dict[str, str]:  # noqa: ANN401 - JSON
    """`[{Key, Value}]` as a mapping."""
    made: dict[str, str] = {}
    for i, pair in enumerate(raw if isinstance(raw, list) else [raw]):
        key, value = mapping(pair).get("Key"), mapping(pair).get("Value")
        if not isinstance(key, str) or not isinstance(value, str | int | float):
            found.all.append(place.violation(f"/Properties/Tags/{i}", "wrong_type", "must have a Key and a Value"))
            continue
        made[key] = text(value)
    return made
