"""definitions: what was said, gathered mesh by mesh and checked as if it had been sent to the API.

Whatever is wrong is told where it was written, not where it would have stood in the definition.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from isthmus.errors import Invalid, Violation
from isthmus.imports.notes import Notes
from isthmus.imports.said import Place, Said
from isthmus.model.check import check
from isthmus.model.definition import Definition, parse_definition
from isthmus.model.reading import Findings

ORDER = ("VirtualNode", "VirtualRouter", "Route", "VirtualService", "VirtualGateway", "GatewayRoute", "Binding")
"""What is referred to stands before what refers to it."""
_RESOURCE = re.compile("/resources/([0-9]+)(.*)")


@dataclass(frozen=True)
class Imported:
    """One definition a mesh, and what is in none of them."""

    definitions: tuple[Definition, ...]
    notes: Notes


def imported(said: Sequence[Said], notes: Notes) -> Imported:
    """Every mesh that was spoken of. Raises Invalid with every violation, each with its file and resource."""
    found = Findings()
    meshes = dict.fromkeys(each.mesh for each in said)
    made = [_definition(mesh, [each for each in said if each.mesh == mesh], notes, found) for mesh in meshes]
    found.refuse()
    if not made:
        raise Invalid.one("", "nothing_found", "there is no App Mesh resource in the files")
    return Imported(tuple(each for each in made if each is not None), notes)


def _definition(mesh: str, said: list[Said], notes: Notes, found: Findings) -> Definition | None:
    own = _mesh(mesh, said, notes, found)
    inside = sorted((each for each in said if each.kind != "Mesh"), key=lambda each: ORDER.index(each.kind))
    raw = {"kind": "Mesh", "name": mesh, "spec": own.spec, "tags": dict(own.tags)}
    raw["resources"] = [each.json() for each in inside]
    parsed = _told(own.place, inside, lambda: parse_definition(raw), found)
    if parsed is not None:
        found.all += [_placed(violation, own.place, inside) for violation in check(parsed)]
    return parsed


def _mesh(mesh: str, said: Sequence[Said], notes: Notes, found: Findings) -> Said:
    """The mesh itself; where no file says it, one without settings, which a note tells."""
    own = [each for each in said if each.kind == "Mesh"]
    if not own:
        notes.remark(f"mesh {mesh} is said nowhere: its spec is empty, which is what applying it will make it")
        return replace(said[0], kind="Mesh", name=mesh, spec={}, parent=None, tags={})
    for other in own[1:]:
        if replace(other, place=own[0].place) != own[0]:
            where = own[0].place
            detail = f"mesh {mesh} is said otherwise in {where.at()}"
            found.all.append(other.place.violation("", "duplicate", detail))
    return own[0]


def _told(own: Place, inside: Sequence[Said], parse: Callable[[], Definition], found: Findings) -> Definition | None:
    try:
        return parse()
    except Invalid as invalid:
        found.all += [_placed(violation, own, inside) for violation in invalid.violations]
        return None


def _placed(violation: Violation, own: Place, inside: Sequence[Said]) -> Violation:
    """The violation, where it was written."""
    matched = _RESOURCE.fullmatch(violation.pointer)
    place: Place = inside[int(matched[1])].place if matched else own
    return Violation(place.at(matched[2] if matched else violation.pointer), violation.code, violation.detail)
