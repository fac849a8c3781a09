"""One valid resource of each of App Mesh's kinds, each with a second spec to change it to."""

from typing import Any

Json = Any
LISTENER = {"portMapping": {"port": 8080, "protocol": "http"}}
NODE = {"listeners": [LISTENER], "serviceDiscovery": {"dns": {"hostname": "a.local"}}}
ROUTE = {"httpRoute": {"action": {"weightedTargets": [{"virtualNode": "n", "weight": 1}]}, "match": {"prefix": "/"}}}
GATEWAY_ROUTE = {
    "httpRoute": {"action": {"target": {"virtualService": {"virtualServiceName": "s.local"}}}, "match": {"prefix": "/"}}
}
KINDS = {
    "mesh": ({"meshName": "m"}, {}, {"egressFilter": {"type": "ALLOW_ALL"}}),
    "virtual_node": ({"virtualNodeName": "n"}, NODE, {}),
    "virtual_router": ({"virtualRouterName": "r"}, {"listeners": [LISTENER]}, {"listeners": [LISTENER]}),
    "virtual_service": ({"virtualServiceName": "s.local"}, {}, {"provider": {"virtualNode": {"virtualNodeName": "n"}}}),
    "route": ({"virtualRouterName": "r", "routeName": "x"}, ROUTE, ROUTE | {"priority": 3}),
    "virtual_gateway": (
        {"virtualGatewayName": "g"},
        {"listeners": [LISTENER]},
        {"listeners": [LISTENER], "logging": {}},
    ),
    "gateway_route": (
        {"virtualGatewayName": "g", "gatewayRouteName": "x"},
        GATEWAY_ROUTE,
        GATEWAY_ROUTE | {"priority": 3},
    ),
}
"""kind → its own names, a spec, another spec; in an order in which each can be made after those before."""
ARNS = {
    "mesh": "mesh/m",
    "virtual_node": "mesh/m/virtualNode/n",
    "virtual_router": "mesh/m/virtualRouter/r",
    "virtual_service": "mesh/m/virtualService/s.local",
    "route": "mesh/m/virtualRouter/r/route/x",
    "virtual_gateway": "mesh/m/virtualGateway/g",
    "gateway_route": "mesh/m/virtualGateway/g/gatewayRoute/x",
}


def member(kind: str) -> str:
    """virtual_node → virtualNode."""
    first, *rest = kind.split("_")
    return first + "".join(word.capitalize() for word in rest)
