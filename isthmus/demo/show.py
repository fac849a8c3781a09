"""show: the demo for somebody to look at: it says where everything is and what to try, and runs until Ctrl-C."""

import json
import sys
from collections.abc import Mapping
from typing import Any

from isthmus.demo import layout
from isthmus.demo.ready import ready
from isthmus.demo.run import Demo, Options, base_of, place, prepared, run
from isthmus.embedded import ports, up
from isthmus.embedded.places import write_private
from isthmus.embedded.steps import Steps


def show(options: Options) -> None:
    """Until Ctrl-C or SIGTERM."""
    steps = Steps()

    def work(demo: Demo) -> None:
        credentials, user = demo.rise()
        user.close()
        said = ready(up.ready(demo.installation, credentials), demo.installation, demo.plan, demo.supervisor.pids())
        if options.ready_file:
            write_private(options.ready_file, said)
        if options.json:
            sys.stdout.write(json.dumps(said) + "\n")
            sys.stdout.flush()
        steps.say(_told(said))

    with place(options) as places:
        if options.ready_file:
            options.ready_file.unlink(missing_ok=True)  # what a run that was killed said no longer holds
        try:
            base = base_of(places, options.port_base) or ports.DEFAULT_BASE
            run(*prepared(places, base), steps, work)
        finally:
            if options.ready_file:
                options.ready_file.unlink(missing_ok=True)
    steps.say("stopped")


def _told(said: Mapping[str, Any]) -> str:
    """What there is to see and to try."""
    return f"""
  The shop runs in two clusters: `front` and `blue` in east, `green` in west, half of the traffic to each colour.

    {said["ingress"]}/color     the shop, through its virtual gateway:  curl {said["ingress"]}/color
    {said["ingress"]}/          its front page, which calls `color` through its sidecar
    {said["console"]}       the API, described; sign in with the token
    token             {said["token"]}

  Try, in another terminal:

    export ISTHMUS_API={said["api"]} ISTHMUS_TOKEN={said["token"]}
    isthmus get meshes
    isthmus rollout status {layout.MESH}
    isthmus get clusters
    {up.environment_for_aws(said)}
    aws appmesh list-virtual-nodes --mesh-name {layout.MESH}    # or boto3, or any AWS SDK
    curl {said["clusters"]["east"]["proxies"][0]["admin"]}/config_dump    # what Envoy itself has

  Ctrl-C stops everything.
"""
