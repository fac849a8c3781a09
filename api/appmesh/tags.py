"""tags: on any resource, found by its ARN, in the order in which they were set. A change of tags is a revision too."""

from collections.abc import Callable, Mapping

from api.appmesh.answers import next_token, owner_of
from api.appmesh.call import Call
from api.appmesh.sharing import refuse_not_own
from isthmus.errors import Conflict, NotFound
from isthmus.model.arn import Arn
from isthmus.model.document import Document
from isthmus.model.operations.inputs import ListTagsForResourceInput, TagResourceInput, UntagResourceInput
from isthmus.model.structure import Structure
from isthmus.store import tables
from isthmus.store.changes import Change, Stored

MOST = 50


class TooManyTags(Conflict):
    """A resource would have more than 50 tags; none was set."""

    code = "too_many_tags"


def tag(call: Call) -> Structure:
    """Set tags; those that are not named stay."""
    asked = call.asked
    assert isinstance(asked, TagResourceInput)
    mesh, stored = _found(call, asked.resource_arn)
    tags = {**stored.document.tags, **{each.key: each.value for each in asked.tags}}
    if len(tags) > MOST:
        raise TooManyTags(f"{asked.resource_arn} would have {len(tags)} tags, and may have {MOST}; none was set")
    return _put(call, mesh, stored, tags)


def untag(call: Call) -> Structure:
    """Take tags away; those that are not there are not missed."""
    asked = call.asked
    assert isinstance(asked, UntagResourceInput)
    mesh, stored = _found(call, asked.resource_arn)
    return _put(call, mesh, stored, {k: v for k, v in stored.document.tags.items() if k not in asked.tag_keys})


def list_tags(call: Call) -> Structure:
    """A page of tags."""
    asked = call.asked
    assert isinstance(asked, ListTagsForResourceInput)
    _, stored = _found(call, asked.resource_arn)
    limit, name = asked.limit or MOST, f"tags/{asked.resource_arn}"
    begin = int(call.cursors.read(call.org, name, asked.next_token, call.now) or 0)
    tags = [{"key": key, "value": value} for key, value in stored.document.tags.items()]
    end = begin + limit
    token = call.cursors.make(call.org, name, str(end), call.now) if end < len(tags) else None
    return call.operation.answered.model_validate({"tags": tags[begin:end]} | next_token(token))


def _put(call: Call, mesh: tables.Mesh, stored: Stored, tags: Mapping[str, str]) -> Structure:
    document = Document(stored.document.key, stored.document.spec, tags)
    reason = f"{call.operation.name} {document.key.text}"
    call.revisions(mesh).apply([Change("put", document)], author=call.author, reason=reason, now=call.now)
    return call.operation.answered()


def _found(call: Call, text: str) -> tuple[tables.Mesh, Stored]:
    """What an ARN names; NotFound, also for another region's or org's, and Denied for another account's."""
    arn = Arn.parse(text)
    for mesh in call.meshes.named(call.region, arn.mesh) if arn.region == call.region else ():
        if arn.mesh_owner not in (None, mesh.account_id):
            continue
        if call.meshes.shared(call.account, mesh.account_id, mesh.region, mesh.name) is None:
            continue
        if call.operation.method != "GET":
            call.revisions(mesh).hold()
        stored = call.revisions(mesh).get(arn.key)
        if stored is not None and owner_of(mesh, stored) == arn.owner:
            refuse_not_own(call.account, mesh.account_id, arn.owner, call.operation.verb)
            return mesh, stored
    raise NotFound(f"{text} is not present")


ACTS: Mapping[str, Callable[[Call], Structure]] = {"Tag": tag, "Untag": untag, "ListTags": list_tags}
"""By verb."""
