"""newcomer: who comes from App Mesh with boto3 and Envoys as AWS's image makes them, and runs an agent for them.

Instances stand on loopback addresses, where all of 127/8 binds without root.
"""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import yaml
from botocore.config import Config

from isthmus.demo.user import User
from isthmus.embedded.installation import environment
from tests.contract.agent import bootstraps
from tests.contract.agent.imaging import Customer
from tests.contract.envoy.asking import ask, free_port
from tests.contract.envoy.feeding import Running

A, B, C = "127.85.0.1", "127.85.0.2", "127.85.0.3"
REGION, SERVICE = "us-east-1", "colors.local"
MESH = {"meshName": "m"}
Json = Any


@dataclass
class Newcomer:
    """`aws`: his access key; `user`: he at /v1. `port`: all his applications'; `outbound`: where `a` sends requests."""

    api: str
    aws: Mapping[str, str]
    user: User
    folder: Path
    customer: Customer
    port: int = field(default_factory=free_port)
    outbound: int = field(default_factory=free_port)
    xds: str = field(default_factory=lambda: f"127.0.0.1:{free_port()}")

    def __post_init__(self) -> None:
        self.appmesh: Json = boto3.client(
            "appmesh",
            endpoint_url=self.api,
            region_name=REGION,
            aws_access_key_id=self.aws["access_key_id"],
            aws_secret_access_key=self.aws["secret_access_key"],
            config=Config(retries={"total_max_attempts": 1}),
        )

    def mesh(self) -> str:
        """`a` calls `colors.local`, which is `b`, as App Mesh's customers say it; the ARN of `a`."""
        listener = {"portMapping": {"port": self.port, "protocol": "http"}}
        self.appmesh.create_mesh(**MESH)
        made = {}
        for name in ("a", "b", "c"):
            spec: Json = {"listeners": [listener], "serviceDiscovery": {"dns": {"hostname": f"{name}.local"}}}
            if name == "a":
                spec["backends"] = [{"virtualService": {"virtualServiceName": SERVICE}}]
            made[name] = self.appmesh.create_virtual_node(**MESH, virtualNodeName=name, spec=spec)["virtualNode"]
        self.appmesh.create_virtual_router(**MESH, virtualRouterName="r", spec={"listeners": [listener]})
        self.appmesh.create_route(**route("b"))
        provider = {"provider": {"virtualRouter": {"virtualRouterName": "r"}}}
        self.appmesh.create_virtual_service(**MESH, virtualServiceName=SERVICE, spec=provider)
        arn: str = made["a"]["metadata"]["arn"]
        return arn

    def attach(self) -> None:
        """What App Mesh has no words for: a cluster takes part, and instances `b` and `c` are those nodes."""
        documents = [{"kind": "Attachment", "name": "east", "spec": {}}]
        documents += [
            {"kind": "Binding", "name": name, "spec": {"node": name, "match": {"file": name}}} for name in ("b", "c")
        ]
        self.user.post("/meshes/m/changes", [{"op": "put", "document": document} for document in documents])

    @contextmanager
    def agent(self) -> Iterator[None]:
        """`isthmus agent` of the new cluster `east`; what it said, if the block fails."""
        self.user.post("/clusters", {"name": "east", "region": REGION})
        log = self.folder / "agent.log"
        with log.open("wb") as said, subprocess.Popen(self._agent(), env=environment(), stderr=said) as process:
            try:
                yield
                process.send_signal(signal.SIGTERM)
                assert process.wait(30) == 0
            except BaseException as failed:
                process.kill()
                failed.add_note(log.read_text())
                raise

    def _agent(self) -> list[str]:
        token = self.user.post("/clusters/east/join-tokens", {})
        listed = [{"name": n, "host": "h1", "address": at, "ports": {}} for n, at in (("b", B), ("c", C))]
        instances = self.folder / "instances.yaml"
        instances.write_text(yaml.safe_dump({"instances": listed}))
        options = {
            "data-dir": self.folder / "agent",
            "hub": ",".join(token["hubs"]),
            "hub-ca": token["hub_ca"],
            "join-token": token["token"],
            "instances": instances,
            "wardens-bind": f"127.0.0.1:{free_port()}",
            "wardens-enrol-bind": f"127.0.0.1:{free_port()}",
            "aws-image-bind": self.xds,
            "aws-image-cert": self.customer.cert,
            "aws-image-key": self.customer.key,
            "aws-image-host": "127.0.0.1",
        }
        capture = [A, str(self.port), str(self.outbound)]
        command = [sys.executable, str(Path(__file__).with_name("captured.py")), *capture, "agent"]
        return command + [word for name, value in options.items() for word in (f"--{name}", str(value))]

    @contextmanager
    def envoy(self, arn: str) -> Iterator[Running]:
        """One that signs with his key; what it said, if the block fails."""
        key, secret = self.aws["access_key_id"], self.aws["secret_access_key"]
        root = self.customer.root
        running = Running(lambda admin: bootstraps.signing(arn, self.xds, root, admin, key, secret))
        try:
            yield running
        except BaseException as failed:
            failed.add_note(running.log.read_text())
            raise
        finally:
            running.stop()

    def answers(self) -> str:
        """The application that answers `a`; empty if none does."""
        try:
            answer = ask(A, self.outbound, SERVICE)
        except OSError:
            return ""  # nobody listens yet
        return str(answer.said["app"]) if answer.status == 200 else ""

    @contextmanager
    def asking(self) -> Iterator[list[str]]:
        """Who answers requests that `a` makes one after the other while the block lasts."""
        answers: list[str] = []
        over = threading.Event()

        def run() -> None:
            while not over.is_set():
                answers.append(self.answers())

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield answers
        finally:
            over.set()
            thread.join()


def route(target: str) -> Json:
    """Everything to one node."""
    action = {"weightedTargets": [{"virtualNode": target, "weight": 1}]}
    return MESH | {
        "virtualRouterName": "r",
        "routeName": "all",
        "spec": {"httpRoute": {"match": {"prefix": "/"}, "action": action}},
    }
