"""hostport: HOST:PORT, the one form in which an address is said to us, with brackets around IPv6 (RFC 3986 §3.2.2).

Sockets, Envoy and certificates want the host without brackets; gRPC and URLs want them.
"""


def parted(text: str) -> tuple[str, int]:
    """Host, without brackets, and port; ValueError if it is not said so.

    Brackets may be left out, as earlier releases let them: what follows the last colon is the port, because one must be
    said.
    """
    host, _, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not host or "[" in host or "]" in host or not (port.isascii() and port.isdigit()):
        raise ValueError(f"{text!r} must be HOST:PORT")
    return host, int(port)


def joined(host: str, port: int) -> str:
    """The inverse, always with brackets where they belong."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
