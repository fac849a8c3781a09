"""dual_stack: two clusters with addresses of both families, in a network of their own; run by `test_dual_stack`.

East is IPv4 but for `near` and the virtual gateway, west is IPv6; `both` has an address of each family; west's gateway
is at every address, and announced by one. Prints what happened under each `ipPreference`, by what was done, as JSON.
"""

import json
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from isthmus.hostport import joined, parted
from isthmus.model.definition import Definition
from isthmus.xds import names
from isthmus.xds.endpoints import RemoteCluster
from tests import build
from tests.contract.envoy.applications import App
from tests.contract.envoy.asking import ask, free_port, listens
from tests.contract.envoy.stage import DOOR, EAST_WEST, HTTP, OUTBOUND, Door, Instance, Stage, inbound
from tests.until import until

SIX = {"near": "fd00::2", "far": "fd00::3", "ingress": "fd00::4", "both": "fd00::5", "outside": "fd00::6"}
FOUR = {"both": "127.88.0.5", "outside": "127.88.0.6", "west": "127.88.0.7"}
WEST = "fd00::7"
PREFERENCES = (None, "IPv4_PREFERRED", "IPv6_PREFERRED", "IPv4_ONLY", "IPv6_ONLY")
ON_FOUR, ON_SIX = free_port(), free_port()
"""Where something outside listens, in one family each."""


class World(Stage):
    """`announced`: the address at which others know west's gateway."""

    announced = WEST

    def __init__(self) -> None:
        instances = Instance("front"), Instance("near"), Instance("both"), Instance("far", "far", "west")
        super().__init__(*instances, doors=[Door("ingress")])
        self.addresses |= {name: SIX[name] for name in ("near", "far", "ingress")}
        self.addresses |= {"both": FOUR["both"], "east-west/west": "::"}
        self.also = {"both": SIX["both"]}

    def _remote(self, cluster: str) -> RemoteCluster:
        known = super()._remote(cluster)
        return replace(known, gateways=(joined(self.announced, EAST_WEST),)) if cluster == "west" else known

    def announce(self, address: str) -> None:
        """Until east calls west there, on new connections."""
        self.announced = address
        self.tell()
        self.kill("front")
        self.start()


def main() -> None:
    """Every preference, and what each leads to."""
    _network()
    apps = [App("outside", FOUR["outside"], ON_FOUR), App("outside", SIX["outside"], ON_SIX)]
    world = World()
    try:
        said = {str(preference): _under(world, preference) for preference in PREFERENCES}
        world.apply(_definition("IPv6_PREFERRED"))
        said["a family that leads nowhere"] = {"both": _without_six(world)}
        assert world.ads.refused == []
    finally:
        world.stop()
        for app in apps:
            app.stop()
    print(json.dumps(said))  # noqa: T201 - its output


def _network() -> None:
    """Addresses of our own, and names for the one that is outside; all gone with the namespaces."""
    _run("ip", "link", "set", "lo", "up")
    for address in (*SIX.values(), WEST):
        _run("ip", "-6", "address", "add", f"{address}/128", "dev", "lo", "nodad")
    with tempfile.NamedTemporaryFile("w", suffix=".hosts") as hosts:
        hosts.write(f"127.0.0.1 localhost\n{FOUR['outside']} out.test\n{SIX['outside']} out.test\n")
        hosts.flush()
        Path(hosts.name).chmod(0o644)
        _run("mount", "--bind", hosts.name, "/etc/hosts")


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


def _definition(preference: str | None) -> Definition:
    spec: dict[str, Any] = {"egressFilter": {"type": "ALLOW_ALL"}}
    services = {name: f"{name}.local" for name in ("near", "both", "far")}
    return build.mesh(
        build.node("front", port=HTTP, backends=list(services.values())),
        *(build.node(name, port=HTTP) for name in services),
        *(build.service(service, node=name) for name, service in services.items()),
        build.placement("far", "west"),
        build.gateway(port=DOOR),
        build.gateway_route(service="both.local"),
        targets={"near": 100},
        spec=spec | ({"serviceDiscovery": {"ipPreference": preference}} if preference else {}),
        settings={"transport": "strict"},
    )


def _under(world: World, preference: str | None) -> Mapping[str, Any]:
    world.apply(_definition(preference))
    said: dict[str, Any] = {name: world.ask("front", f"{name}.local").by for name in ("near", "both", "far")}
    for family, address in (("IPv4", FOUR["west"]), ("IPv6", WEST)):
        world.announce(address)
        said[f"far, its gateway known at {family}"] = world.ask("front", "far.local").by
    said["both, from outside"] = ask(SIX["ingress"], DOOR, "both.local").by
    said["both listens"] = [
        a for a in (FOUR["both"], SIX["both"]) if listens(a, inbound(HTTP)) and listens(a, OUTBOUND)
    ]
    said["both is called at"] = _called(world)
    said["an outside at IPv4"] = world.ask("front", f"out.test:{ON_FOUR}").by
    said["an outside at IPv6"] = world.ask("front", f"out.test:{ON_SIX}").by
    return said


def _called(world: World) -> str:
    """The first address of `both`, as its caller's Envoy has it."""
    before, after = f"{names.backend('both', HTTP)}::", "::hostname::"
    lines = world.envoys["front"].admin("/clusters").decode().splitlines()
    (line,) = (each for each in lines if each.startswith(before) and after in each)
    return parted(line.removeprefix(before).partition(after)[0])[0]


def _without_six(world: World) -> list[str]:
    """Who answers before and after its preferred address is gone."""
    before = world.ask("front", "both.local").by
    _run("ip", "-6", "address", "del", f"{SIX['both']}/128", "dev", "lo")
    world.kill("front")
    world.start()
    until(lambda: not listens(SIX["both"], inbound(HTTP)))
    return [before, world.ask("front", "both.local").by]


if __name__ == "__main__":
    main()
