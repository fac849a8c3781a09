"""bindings: which pods are a node, from the controller's pod selectors and the workloads beside them.

The controller took labels for proof; we take a service account (`K8sMatch`), which the resources do not name. So it is
read from the workloads in the same files whose pods the selector picks; without any, there is no binding, and a note.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from isthmus.imports.kubernetes import Resource
from isthmus.imports.labels import selects
from isthmus.imports.loose import mapping, string
from isthmus.imports.membership import Cluster
from isthmus.imports.notes import Notes
from isthmus.imports.said import Said

SELECTOR = "podSelector"
MEMBER = {"VirtualNode": "node", "VirtualGateway": "gateway"}


def bindings(said: Sequence[Said], cluster: Cluster, notes: Notes) -> list[Said]:
    """A binding for each service account under which pods of a node or gateway run."""
    at = {resource.place: resource for resource in cluster.resources if SELECTOR in resource.spec}
    return [
        binding
        for each in said
        if each.kind in MEMBER and each.place in at
        for binding in _bound(at[each.place], each.mesh, each.name, cluster, notes)
    ]


def unbound(cluster: Cluster, notes: Notes) -> list[Said]:
    """No bindings, and a note of what they would have said."""
    for resource in cluster.resources:
        if resource.kind in MEMBER and SELECTOR in resource.spec:
            notes.leave_out(SELECTOR, "which pods a node is, a Binding says: --bindings makes them")
    return []


def _bound(resource: Resource, mesh: str, name: str, cluster: Cluster, notes: Notes) -> Iterator[Said]:
    selector = mapping(resource.spec, SELECTOR)
    accounts = dict.fromkeys(_accounts(selector, resource.namespace, cluster))
    if not accounts:
        notes.leave_out(SELECTOR, "no workload in the files has such pods, so no service account is known")
    if accounts and selector.get("matchExpressions"):
        notes.leave_out(f"{SELECTOR}.matchExpressions", "a Binding's labels are exact")
    for account in accounts:
        match = {"namespace": resource.namespace, "service_account": account}
        labels = mapping(selector, "matchLabels")
        spec = {MEMBER[resource.kind]: name, "match": {"k8s": match | ({"labels": dict(labels)} if labels else {})}}
        own = f"{name}-{account}" if len(accounts) > 1 else name
        yield Said(resource.place, mesh, "Binding", own, spec)


def _accounts(selector: Mapping[str, Any], namespace: str, cluster: Cluster) -> Iterator[str]:
    """The service accounts of the workloads that a selector picks."""
    for workload in cluster.resources:
        for labels, pod in _pods(workload) if workload.namespace == namespace else ():
            if selects(selector, labels):
                yield string(pod.get("serviceAccountName")) or string(pod.get("serviceAccount")) or "default"


def _pods(workload: Resource) -> Iterator[tuple[Mapping[str, str], Mapping[str, Any]]]:
    """(labels, pod spec) of a pod, or of the template in a Deployment, StatefulSet, Job, CronJob and their like."""
    if workload.kind == "Pod":
        yield workload.labels, workload.spec
        return
    template = mapping(workload.spec, "template") or mapping(workload.spec, "jobTemplate", "spec", "template")
    if template:
        yield mapping(template, "metadata", "labels"), mapping(template, "spec")
