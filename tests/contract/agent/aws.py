"""aws: moto over HTTP on loopback, whatever service a request is signed for.

moto's own server needs a web framework that nothing else here does; its answers do not.
"""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from botocore.awsrequest import AWSPreparedRequest, HeadersDict
from moto.core.botocore_stubber import BotocoreStubber

_SCOPE = re.compile(r"Credential=[^/]+/\d+/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request")


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        scope = _SCOPE.search(self.headers["authorization"])
        assert scope, "AWS's clients sign"
        region, service = scope.groups()
        url = f"https://{service}.{region}.amazonaws.com{self.path}"
        request = AWSPreparedRequest("POST", url, HeadersDict(self.headers.items()), body, stream_output=False)
        answer = BotocoreStubber().process_request(request)
        assert answer, "moto knows the service"
        status, headers, text = answer
        said = text.encode() if isinstance(text, str) else text
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() != "content-length":
                self.send_header(name, value)
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the overridden method's
        pass


@contextmanager
def serving() -> Iterator[str]:
    """Its URL, while the block lasts."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
