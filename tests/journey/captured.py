"""captured: `isthmus agent`, told where it leads connections on a host that has no iptables rules of App Mesh's.

Arguments: ADDRESS INBOUND OUTBOUND, then the command's own. With the rules it is 0.0.0.0, 15000 and 15001, always; but
a test shares its host with other tests.
"""

import sys
from dataclasses import replace

from gateway.agent import running
from isthmus.cli.main import main
from isthmus.xds.aws_image import Capture

run = running.run


def _captured(options: running.Options) -> None:
    assert options.aws_image is not None, "that is what it is for"
    address, inbound, outbound = said
    capture = Capture(address, int(inbound), int(outbound))
    run(replace(options, aws_image=replace(options.aws_image, capture=capture)))


said, sys.argv[1:] = sys.argv[1:4], sys.argv[4:]
running.run = _captured
main()
