"""app mesh differences: what App Mesh did otherwise, most surprising first, and what it did that we do not do yet.

The latter is taken from where it is decided, so that the guide cannot promise more than a compiled mesh keeps.
"""

from collections.abc import Iterator, Mapping

_TEXT = """\
Access keys are ours (`isthmus access-key create`). Session tokens are refused: no STS, no roles, no profiles that
assume one. There is no IAM either: a key may do what its account may.

A key says the account, and the region that a request is signed for says the region: any region works and has meshes
of its own, so keep the one your scripts use. FIPS, dual-stack and preview endpoints do not exist.

What a write did is visible to the next request; nothing is eventually consistent. Every write is a revision that
reaches the proxies, normally within a second, and is acknowledged by each: `isthmus rollout status MESH`.

A change that a proxy refuses stops, and shows in the revision, where App Mesh had a counter in Envoy.

A write that is repeated with the same clientToken, as SDKs do when they retry, is answered as the first time, for 7
days.

Quotas are higher than App Mesh's (10,000 objects a mesh instead of 200 nodes and 3 gateways); over one, the answer is
the same LimitExceededException.

Validation is stricter where App Mesh accepted what Envoy then refused: a regular expression, two protocols on one
port, a port that no listener has. All that is wrong is told in one message.

Deletes are refused while something refers to the resource, as before, and nothing cascades. What App Mesh has no word
for, a Binding, a Placement or a Transport, does not block a delete and outlives it.

Meshes are shared among the accounts of your own org, without RAM and without invitations. Other orgs never see one.
As before, only the mesh's owner makes gateways.

One mesh spans clusters and regions. Proxies run beside a warden, which gives them an identity, and the transport
between them is mutual TLS by itself. What a spec names by an ARN of ACM or Private CA is a managed certificate or
authority of Isthmus: request, import or order it first, and put its ARN in the place of the old one.

Nodes are found in DNS and Cloud Map as before, but by the agent of the calling cluster, which keeps the last answer,
and no longer once a Binding names an instance, which has an identity. `isthmus get virtual-nodes` tells which are left.
All proxies of a cluster use the same address of a load balancer.

Envoys of AWS's image have no warden, hence no identity: they speak plaintext, which only nodes with the transport
`permissive` (the default, of a mesh or of each node) allow, and reach only what runs in their own cluster.
"""
DIFFERENCES = tuple(" ".join(paragraph.split()) for paragraph in _TEXT.split("\n\n"))


def without_effect() -> Iterator[str]:
    """What App Mesh applied and we do not yet, once each."""
    from isthmus.ir.ineffective import EFFECTIVE  # heavy, only when run

    yield from dict.fromkeys(_reasons(EFFECTIVE))


def _reasons(shape: object) -> Iterator[str]:
    if isinstance(shape, str):
        yield shape
    elif isinstance(shape, Mapping):
        for part in shape.values():
            yield from _reasons(part)
