"""proxyless: an application of this host that is its own xDS client: its streams, and the files it starts from.

It finds them beside its socket, all readable by their owner only:

* `grpc-bootstrap.json`, for GRPC_XDS_BOOTSTRAP, and `grpc.env`, which says that and what else must be in its
  environment. They come last: once they are there, so is everything they name.
* `credentials/`: `certificate.pem` and `key.pem`, its SVID; `bundles.json`, the roots of every trust domain by its name
  (never merged); `ca.pem`, the roots of its own. A renewed set is written beside and the link is moved to it, so that a
  certificate and another's key are never read together. gRPC looks at them again every second.

gRPC's C-core takes `bundles.json` only with GRPC_EXPERIMENTAL_XDS_MTLS_SPIFFE=true, which `grpc.env` says; without, it
believes `ca.pem`: calls inside the cluster work, others fail, and nobody is believed who should not be.
"""

import json
import os
import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from gateway.warden.proxy import Proxy, Spoken, Stream
from isthmus.pki.spiffe_bundles import bundle_map
from isthmus.xds import names
from isthmus.xds.proxyless_session import Session
from isthmus.xds.read_back import Pair
from isthmus.xds.snapshot import digest

ROLE = "proxyless"
BOOTSTRAP, ENVIRONMENT, CREDENTIALS = "grpc-bootstrap.json", "grpc.env", "credentials"
REFRESH = "1s"
"""An activated root has to count within ten seconds (contracts.md)."""


class Proxyless(Proxy):
    """One application. Its processes have a stream for each of their targets, and every one of them counts.

    `written`: the versions of what its files hold.
    """

    written: tuple[str, ...] = ()

    def open(self) -> Stream:
        """A stream of one target."""
        return self._opened(Session())

    @property
    def _counted(self) -> Sequence[Spoken]:
        return self._known


def write(folder: Path, socket: Path, name: str, own: Pair, roots: Mapping[str, bytes], domain: str) -> None:
    """The files of an instance, as far as they differ. `roots`: trust domain → PEM; `domain`: the instance's own."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    texts = {"certificate.pem": own.chain, "key.pem": own.key, "bundles.json": bundle_map(roots)}
    texts |= {"ca.pem": roots[domain]} if domain in roots else {}
    _lead(folder, texts)
    said = json.dumps(bootstrap(socket, name, folder / CREDENTIALS, texts), indent=1)
    _write(folder / BOOTSTRAP, said.encode())
    environment = {"GRPC_XDS_BOOTSTRAP": str(folder / BOOTSTRAP), "GRPC_EXPERIMENTAL_XDS_MTLS_SPIFFE": "true"}
    _write(folder / ENVIRONMENT, "".join(f"{k}={shlex.quote(v)}\n" for k, v in environment.items()).encode())


def remove(folder: Path) -> None:
    """The instance is not this host's any more, or has an Envoy now: its key must not stay."""
    for path in (folder / BOOTSTRAP, folder / ENVIRONMENT, folder / CREDENTIALS):
        path.unlink(missing_ok=True)
    for old in folder.glob(f".{CREDENTIALS}-*"):
        shutil.rmtree(old)


def bootstrap(socket: Path, name: str, credentials: Path, files: Mapping[str, bytes]) -> dict[str, object]:
    """What gRPC starts from (gRFC A27, A29, A87). The bundle map is spelled as in C-core and as in the gRFC."""
    server = {
        "server_uri": f"unix:{socket}",
        "channel_creds": [{"type": "insecure"}],
        "server_features": ["xds_v3"],
    }
    bundles = str(credentials / "bundles.json")
    watched = {
        "certificate_file": str(credentials / "certificate.pem"),
        "private_key_file": str(credentials / "key.pem"),
        "spiffe_bundle_map_file": bundles,
        "spiffe_trust_bundle_map_file": bundles,
        "refresh_interval": REFRESH,
    }
    if "ca.pem" in files:
        watched["ca_certificate_file"] = str(credentials / "ca.pem")
    provider = {"plugin_name": "file_watcher", "config": watched}
    return {"xds_servers": [server], "node": {"id": name}, "certificate_providers": {names.CREDENTIALS: provider}}


def _lead(folder: Path, texts: Mapping[str, bytes]) -> None:
    """`credentials` becomes a link to a folder with these; the one before stays for who is reading it."""
    link = folder / CREDENTIALS
    content = digest(*(part for name in sorted(texts) for part in (name.encode(), texts[name])))
    made = folder / f".{CREDENTIALS}-{content}"
    before = link.readlink().name if link.is_symlink() else ""
    if before == made.name:
        return
    made.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in texts.items():
        _write(made / name, text)
    beside = folder / f".{CREDENTIALS}.new"
    beside.unlink(missing_ok=True)
    beside.symlink_to(made.name)
    beside.replace(link)
    for old in folder.glob(f".{CREDENTIALS}-*"):
        if old.name not in (before, made.name):
            shutil.rmtree(old)


def _write(path: Path, text: bytes) -> None:
    """Whole or not at all, for its owner only."""
    if path.is_file() and path.read_bytes() == text:
        return
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(text)
    beside.replace(path)
