"""references: what a Kubernetes resource points at, by `…Ref` or `…ARN`, under the name that App Mesh knows it by."""

import re
from typing import Any

from isthmus.imports.kubernetes import Resource
from isthmus.imports.membership import Cluster, aws_name, reference
from isthmus.imports.notes import Notes
from isthmus.imports.said import name_of
from isthmus.model.reading import Findings

_MEMBER = re.compile("(virtualNode|virtualRouter|virtualService)(Ref|ARN)")
_TARGET = re.compile(".*/weightedTargets/[0-9]+")
"""Where App Mesh's member is `virtualNode`; elsewhere it is `virtualNodeName`, `virtualServiceName`, …"""


class References:
    """Puts names in the place of one resource's references."""

    def __init__(self, resource: Resource, cluster: Cluster, notes: Notes, found: Findings) -> None:
        self._resource, self._cluster, self._notes, self._found = resource, cluster, notes, found

    def named(self, raw: Any, pointer: str) -> Any:  # noqa: ANN401 - decoded
        """`raw` with a name for each reference in it; those that lead nowhere are found."""
        if isinstance(raw, list):
            return [self.named(item, f"{pointer}/{i}") for i, item in enumerate(raw)]
        if not isinstance(raw, dict):
            return raw
        made: dict[str, Any] = {}
        for key, value in raw.items():
            matched = _MEMBER.fullmatch(str(key))
            if not matched:
                made[key] = self.named(value, f"{pointer}/{key}")
                continue
            member = matched[1] if _TARGET.fullmatch(pointer) else f"{matched[1]}Name"
            if member in made:
                self._add(
                    f"{pointer}/{key}", "exactly_one_member", f"must have one of {matched[1]}Ref or {matched[1]}ARN"
                )
            made[member] = self.name(matched[1], value, f"{pointer}/{key}")
        return made

    def name(self, stem: str, value: Any, pointer: str) -> str:  # noqa: ANN401 - decoded
        """The name behind one reference; `stem` is `virtualNode` and its like."""
        kind = stem[0].upper() + stem[1:]
        if isinstance(value, str):
            return self._by_arn(kind, value, pointer)
        at = reference(value, self._resource)
        if at is None:
            self._add(pointer, "wrong_type", "must be an object with a name")
            return ""
        found = self._cluster.find(kind, *at)
        if found is None:
            detail = f"{kind} {'/'.join(at)} is not in the files, so what App Mesh calls it cannot be told"
            self._add(pointer, "unresolved", detail)
            return ""
        return aws_name(found)

    def _by_arn(self, kind: str, arn: str, pointer: str) -> str:
        name = name_of(arn, kind)
        if name is None:
            self._add(pointer, "unresolved", f"{arn} is not the ARN of a {kind}")
        if name == arn:
            self._notes.remark(f"{self._resource.place.at(pointer)}: {arn!r} is no ARN and is taken for a name")
        return name or ""

    def _add(self, pointer: str, code: str, detail: str) -> None:
        self._found.all.append(self._resource.place.violation(pointer, code, detail))
