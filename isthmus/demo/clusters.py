"""clusters: two clusters joined to the control plane the way anybody joins one, and everything that runs in them.

A join token lets each agent in, a host token its warden; what they have they keep in the data directory, so a restart
on the same one needs neither. Nothing here knows more than the commands that the API and the agent print.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from string import Template

import yaml

from isthmus.demo import layout
from isthmus.demo.evidence import takes_connections
from isthmus.demo.layout import Layout, Proxy
from isthmus.demo.user import User
from isthmus.embedded.child import Program
from isthmus.embedded.installation import environment, isthmus, listens
from isthmus.embedded.places import Places

TAKEN = 409
CALLERS = {"front": "color.shop.local"}
"""Virtual node → the service that its application calls."""


class Clusters:
    """The demo's clusters on one machine: what they keep, and their sockets, are among the installation's."""

    def __init__(self, places: Places, plan: Layout) -> None:
        self._root, self._run, self._plan = places.root, places.sockets(), plan

    def definition(self) -> Path:
        """The shop as a folder of definition files, as one would keep it in a repository."""
        folder = self._root / "definition"
        folder.mkdir(parents=True, exist_ok=True)
        ports = {"app": self._plan.app_port, "ingress": self._plan.ingress_port}
        shop = Template((Path(__file__).with_name("shop.yaml")).read_text()).substitute(ports)
        (folder / "shop.yaml").write_text(shop)
        (folder / "clusters.yaml").write_text(yaml.safe_dump_all(self._plan.documents(), sort_keys=False))
        return folder

    def agent(self, user: User, cluster: str) -> Program:
        """Register a cluster, and its agent with a join token; both are there already on a second start."""
        answer = user.ask("POST", "/clusters", {"name": cluster, "region": layout.REGIONS[cluster]})
        if answer.status_code != TAKEN:
            answer.raise_for_status()
        token = user.post(f"/clusters/{cluster}/join-tokens", {})
        instances = self._folder(cluster) / "instances.yaml"
        instances.write_text(yaml.safe_dump(dict(self._plan.discovery(cluster)), sort_keys=False))
        enrolment, serve = self._plan.agent(cluster)
        joining = ["--hub", ",".join(token["hubs"]), "--hub-ca", token["hub_ca"], "--join-token", token["token"]]
        serving = ["--instances", str(instances), "--wardens-enrol-bind", enrolment, "--wardens-bind", serve]
        command = ["agent", *joining, *serving, "--data-dir", str(self._agent_folder(cluster))]
        return _program(f"agent-{cluster}", command, ready=listens(enrolment))

    def warden(self, user: User, cluster: str) -> Program:
        """The warden of a cluster's one host, with a host token from the agent, which must be running."""
        folder = str(self._agent_folder(cluster))
        made = user.command("agent", "host-token", "--data-dir", folder, "--host", cluster, "--json")
        token = json.loads(made)
        joining = ["--agent", token["agent"], "--agent-ca", token["agent_ca"], "--host-token", token["token"]]
        folders = ["--warden-dir", str(self._sockets(cluster)), "--data-dir", str(self._folder(cluster) / "warden")]
        return _program(f"warden-{cluster}", ["warden", *joining, *folders], needs=(f"agent-{cluster}",))

    def envoys(self) -> Sequence[Program]:
        """Every Envoy, under its cluster's warden."""
        return [self._envoy(proxy) for proxy in self._plan.proxies()]

    def applications(self) -> Iterator[Program]:
        """Every instance's application."""
        for cluster, held in layout.INSTANCES.items():
            for name, node in held:
                who = ["--name", node, "--node", node, "--cluster", cluster, "--instance", name]
                calls = ["--call", self._plan.outbound(name), "--host-header", CALLERS[node]] if node in CALLERS else []
                bind = self._plan.app(name)
                yield _program(f"app-{name}", ["sample-app", "--bind", bind, *who, *calls], ready=listens(bind))

    def _envoy(self, proxy: Proxy) -> Program:
        command = ["proxy", "--warden-dir", str(self._sockets(proxy.cluster)), "--name", proxy.name]
        command += ["--admin", proxy.admin, "--concurrency", "1"]
        return _program(
            proxy.process, command, needs=(f"warden-{proxy.cluster}",), ready=lambda _: takes_connections(proxy.admin)
        )

    def _folder(self, cluster: str) -> Path:
        folder = self._root / "clusters" / cluster
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def _agent_folder(self, cluster: str) -> Path:
        return self._folder(cluster) / "agent"

    def _sockets(self, cluster: str) -> Path:
        return self._run / cluster


def _program(
    name: str, command: Sequence[str], *, needs: tuple[str, ...] = (), ready: Callable[[int], bool] = lambda _: True
) -> Program:
    line, env = isthmus(*command), environment()
    return Program(name, lambda: line, lambda: env, needs=needs, ready=ready)
