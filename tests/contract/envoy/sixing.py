"""sixing: a mesh that asks for IPv6, in a network whose host takes the mesh's range for its own; run by `addresses`.

Prints what was reached at IPv6 addresses as JSON, by preference.
"""

import json
import subprocess
from ipaddress import ip_address

from tests.contract.envoy.asking import ask
from tests.contract.envoy.naming import Names
from tests.contract.envoy.stage import HTTP, Instance, Stage
from tests.contract.envoy.test_addresses import DB, NEAR, ZOO, definition, found, greeting

IP = ["ip"]


def main() -> None:
    """Names are asked for, and what they lead to is called."""
    for command in (["link", "set", "lo", "up"], ["-6", "route", "add", "local", "fd00::/8", "dev", "lo"]):
        subprocess.run([*IP, *command], check=True, capture_output=True)
    names = Names({})
    west = [Instance(name, cluster="west") for name in ("far", "zoo")]
    stage = Stage(Instance("front", vips=True, serving=False), Instance("near"), Instance("db"), *west)
    stage.dns_servers = (names.at,)
    try:
        print(json.dumps({ip: reached(stage, ip) for ip in ("IPv6_ONLY", "IPv4_PREFERRED")}))  # noqa: T201 - its output
    finally:
        stage.stop()
        names.stop()


def reached(stage: Stage, preference: str) -> dict[str, object]:
    """Who answers at the IPv6 addresses of services in either cluster."""
    stage.apply(definition(ip=preference))
    (address,) = found(stage, NEAR, "AAAA")
    assert ip_address(address).version == 6
    return {
        "A": found(stage, NEAR),
        "http": ask(address, HTTP, NEAR).by,
        "tcp": [greeting(found(stage, name, "AAAA")[0]).decode() for name in (DB, ZOO)],
        "other": ask(address, HTTP, f"[{address}]:{HTTP}").by,
    }


if __name__ == "__main__":
    main()
