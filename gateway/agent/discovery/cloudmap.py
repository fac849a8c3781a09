"""cloudmap: the instances of a service of AWS Cloud Map, by its own interface, which tells attributes and health.

As App Mesh did, the port is the listener's and `AWS_INSTANCE_PORT` is not looked at. Instances that Cloud Map says are
unhealthy stay, marked so. It gives no time for which an answer is good, so it is asked every few seconds; its limit is
1,000 questions a second and account. boto3 waits, so it does that in threads of its own: those that write what is to
be kept must not wait for AWS.
"""

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

from gateway.agent.discovery.answers import Answer
from gateway.agent.discovery.sources import family
from isthmus.errors import Unavailable
from isthmus.ir.found import CloudMap
from isthmus.xds.resolved import Address

EVERY_SECONDS = 5.0
MOST = 1000
"""Instances in one answer: the interface's limit, which has no second page."""

_ADDRESSES = {4: "AWS_INSTANCE_IPV4", 6: "AWS_INSTANCE_IPV6"}
_NOTHING_THERE = frozenset({"NamespaceNotFound", "ServiceNotFound"})


class CloudMapSource:
    """`Source` by Cloud Map. `endpoint`: a URL to ask instead of AWS's own.

    Credentials are the environment's; so is the region, or else it is what `region` says.
    """

    def __init__(self, endpoint: str, region: Callable[[], str]) -> None:
        self._endpoint, self._region = endpoint, region
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="cloud-map")

    async def ask(self, question: CloudMap, kept: Sequence[Address]) -> Answer:  # noqa: ARG002 - the protocol's
        """What Cloud Map says. Unavailable if it does not answer."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._asked, question)

    def close(self) -> None:
        """Leave whatever AWS has not answered yet."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _asked(self, question: CloudMap) -> Answer:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - 200 ms, and most never need it

        named = f"{question.namespace}/{question.service}"
        try:
            answer = self._client.discover_instances(
                NamespaceName=question.namespace,
                ServiceName=question.service,
                QueryParameters=dict(question.attributes),
                HealthStatus="ALL",
                MaxResults=MOST,
            )
        except ClientError as refused:
            if refused.response["Error"]["Code"] in _NOTHING_THERE:
                return Answer((), EVERY_SECONDS, f"Cloud Map has no {named}")
            raise Unavailable(f"no answer for {named}: {refused}") from refused
        except (BotoCoreError, OSError, ValueError) as error:
            raise Unavailable(f"no answer for {named}: {error}") from error
        addresses = tuple(_addresses(answer["Instances"], question))
        return Answer(addresses, EVERY_SECONDS, "" if addresses else f"Cloud Map has no instance of {named} that fits")

    @cached_property
    def _client(self) -> Any:  # noqa: ANN401 - boto3 is untyped
        import boto3  # noqa: PLC0415 - as above
        from botocore.config import Config  # noqa: PLC0415

        session, elsewhere = boto3.session.Session(), bool(self._endpoint)
        once = Config(
            connect_timeout=2,
            read_timeout=5,
            retries={"total_max_attempts": 1},
            inject_host_prefix=not elsewhere,  # AWS is asked at data-servicediscovery.…
        )
        region = session.region_name or os.environ.get("AWS_REGION") or self._region() or None
        return session.client("servicediscovery", region, endpoint_url=self._endpoint or None, config=once)


def _addresses(instances: Sequence[Mapping[str, Any]], question: CloudMap) -> Iterator[Address]:
    """An address each, of the family that is preferred; an instance without one cannot be called."""
    for instance in instances:
        said = instance["Attributes"]
        if any(said.get(key) != value for key, value in question.attributes):
            continue
        for version in question.families:
            ip = said.get(_ADDRESSES[version], "")
            if family(ip) == version:
                yield Address(ip, "unhealthy" if instance.get("HealthStatus") == "UNHEALTHY" else "healthy")
                break
