# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 over TLS, one thread for each connection, with a hand on every byte: faults need that.

A Server listens; a Link is one connection. The handler given to the server gets each Request and answers
through the Link, in whatever way a fault asks for.
"""

import select
import socket
import ssl
import struct
import threading
import time
from email.utils import formatdate
from http import HTTPStatus

MAX_HEAD = 64 << 10
MAX_BODY = 16 << 20


class Gone(Exception):
    """The connection ended, by either side."""


class BadRequest(Exception):
    """Bytes that are no HTTP/1.1 request."""


class Request:
    def __init__(self, method, target, headers, body, arrived):
        self.method = method
        self.path, _, self.query = target.partition("?")
        self.headers = headers
        self.body = body
        self.arrived = arrived


class Reply:
    """An answer. A body given as a list of pieces goes out in chunks, each as soon as the one before is through."""

    def __init__(self, status, body=b"", headers=(), content_type="application/json"):
        self.status = status
        self.pieces = None
        if isinstance(body, list):
            self.pieces = body
        else:
            self._body = body
        self.headers = list(headers)
        self.content_type = content_type
        self.reason = None
        self.clock = 0          # seconds that the Date is ahead

    @property
    def body(self):
        return self._body if self.pieces is None else b"".join(self.pieces)

    @body.setter
    def body(self, data):
        self.pieces, self._body = None, data

    def head(self, length=None, **extra):
        """The status line and headers; LENGTH None: the true one, -1: no Content-Length at all."""
        try:
            reason = self.reason or HTTPStatus(self.status).phrase
        except ValueError:
            reason = "Unknown"
        lines = [f"HTTP/1.1 {self.status} {reason}", f"Date: {formatdate(time.time() + self.clock, usegmt=True)}"]
        if self.content_type and (length or self.pieces or self.body):
            lines.append(f"Content-Type: {self.content_type}")
        if length is None:
            length = len(self.body)
        if length >= 0 and self.status != 204:
            lines.append(f"Content-Length: {length}")
        lines += [f"{name}: {value}" for name, value in self.headers]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in extra.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


class Link:
    """One connection, after the TLS handshake or (faults) before it."""

    def __init__(self, server, raw, record):
        self.server = server
        self.raw = raw
        self.stream = raw
        self.record = record
        self.number = record["connection"]
        self.buffer = b""
        self.busy = False
        self.open = True
        self.keep = True
        self.want_reset = False

    def handshake(self, context):
        self.raw.settimeout(self.server.idle_timeout)
        self.raw = self.stream = context.wrap_socket(self.raw, server_side=True)
        self.record["handshake"] = self.stream.version()

    # --- reading ---

    def _fill(self):
        try:
            data = self.stream.recv(65536)
        except (OSError, ValueError) as error:
            raise Gone(str(error)) from error
        if not data:
            raise Gone("closed by the client")
        self.buffer += data

    def _take(self, size):
        while len(self.buffer) < size:
            self._fill()
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def _line(self):
        while b"\r\n" not in self.buffer:
            if len(self.buffer) > MAX_HEAD:
                raise BadRequest("a line without end")
            self._fill()
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def read_request(self):
        """The next request, or Gone. Calls `busy` from its first byte on."""
        if not self.buffer:
            self._fill()
        self.busy = True
        arrived = time.monotonic()
        parts = self._line().decode("latin-1").split(" ")
        if len(parts) != 3 or parts[2] != "HTTP/1.1" or not parts[1].startswith("/"):
            raise BadRequest(f"request line {parts!r}"[:200])
        headers = self._read_headers()
        if "host" not in headers:
            raise BadRequest("no Host header")
        if headers.get("expect", "").lower() == "100-continue":
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if headers.get("connection", "").lower() == "close":
            self.keep = False
        return Request(parts[0], parts[1], headers, self._read_body(headers), arrived)

    def _read_headers(self):
        headers = {}
        while line := self._line():
            name, colon, value = line.decode("latin-1").partition(":")
            name = name.lower()
            if not colon or not name or name != name.strip() or name in headers or len(headers) > 100:
                raise BadRequest(f"header {name!r}"[:200])
            headers[name] = value.strip()
        return headers

    def _read_body(self, headers):
        if "transfer-encoding" in headers:
            if headers["transfer-encoding"].lower() != "chunked" or "content-length" in headers:
                raise BadRequest("transfer encoding")
            return self._read_chunks()
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MAX_BODY:
            raise BadRequest(f"content length {length!r}"[:200])
        return self._take(int(length))

    def _read_chunks(self):
        body = b""
        while size := int(self._line().split(b";")[0] or b"0", 16):
            body += self._take(size)
            if self._line() or len(body) > MAX_BODY:
                raise BadRequest("chunk")
        while self._line():
            pass
        return body

    # --- writing ---

    def send(self, data):
        try:
            self.stream.sendall(data)
        except (OSError, ValueError) as error:
            raise Gone(str(error)) from error

    def reply(self, reply, body=True):
        extra = {} if self.keep else {"Connection": "close"}
        if reply.pieces and body:
            self.send(reply.head(length=-1, Transfer_Encoding="chunked", **extra))
            for piece in reply.pieces:
                self.send_chunk(piece)
            self.send_chunk(b"")
            return
        self.send(reply.head(**extra) + (reply.body if body else b""))

    def send_chunk(self, data):
        """One chunk of the chunked coding; an empty one is the last."""
        self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def pause(self, seconds):
        """Wait, but not longer than the peer does. Gone if it went away meanwhile."""
        try:
            readable, _, _ = select.select([self.raw], [], [], seconds)
            if readable:
                self._fill()        # an alert, the end, or (never asked for) a pipelined request
        except (OSError, ValueError) as error:
            raise Gone(str(error)) from error

    # --- ending ---

    def close(self):
        """The orderly end: TLS close notification, then FIN."""
        if self.want_reset:
            self.reset()
        if self.open and isinstance(self.stream, ssl.SSLSocket):
            try:
                self.stream.settimeout(0.2)
                self.stream.unwrap()
            except (OSError, ValueError):
                pass
        self.cut()

    def cut(self):
        """FIN without a word of TLS."""
        if self.open:
            self.open = False
            try:
                self.stream.shutdown(socket.SHUT_RDWR)
            except (OSError, ValueError):
                pass
            self.stream.close()

    def reset(self):
        """RST."""
        if self.open:
            self.open = False
            try:
                self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            except OSError:
                pass
            self.stream.close()


class Server:
    """Listens on ADDRESS ("host:port", port 0: any). `handle(link, request)` runs for each request;
    `greet(link)` before the handshake gives the TLS context to use, or None when it took over."""

    def __init__(self, address, handle, greet, ledger, idle_timeout=600):
        self.address = address
        self.handle = handle
        self.greet = greet
        self.ledger = ledger
        self.idle_timeout = idle_timeout
        self.links = set()
        self.lock = threading.Lock()
        self.socket = None
        self.listen()

    def listen(self):
        """Accept connections (again); always on the port of the first time."""
        if self.socket is not None:
            return
        host, _, port = self.address.rpartition(":")
        self.socket = socket.create_server((host.strip("[]"), int(port)), backlog=512,
                                           family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port = self.socket.getsockname()[1]
        self.address = f"{host}:{self.port}"
        threading.Thread(target=self._accept, args=(self.socket,), daemon=True).start()

    def stop_listening(self):
        """From now on connections are refused; open ones stay."""
        if self.socket is not None:
            listener, self.socket = self.socket, None
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _accept(self, listener):
        while True:
            try:
                raw, peer = listener.accept()
            except OSError:
                return
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = Link(self, raw, self.ledger.connection(peer=f"{peer[0]}:{peer[1]}", port=self.port))
            threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    def _serve(self, link):
        with self.lock:
            self.links.add(link)
        try:
            context = self.greet(link)
            if context is not None:
                link.handshake(context)
                self._requests(link)
        except (Gone, OSError) as error:
            link.record["handshake"] = link.record["handshake"] or f"failed: {error}"[:200]
        finally:
            link.close()
            link.record["ended"] = time.monotonic()
            with self.lock:
                self.links.discard(link)

    def _requests(self, link):
        while link.keep and link.open:
            try:
                request = link.read_request()
            except BadRequest as error:
                link.record["bad_request"] = str(error)
                link.keep = False
                link.reply(Reply(400, b'{"message":"Invalid request"}'))
                return
            self.handle(link, request)
            link.busy = False

    def close_idle(self, reset=False):
        """End the connections that have no request under way; how many."""
        with self.lock:
            idle = [link for link in self.links if not link.busy]
        for link in idle:
            link.want_reset = reset
            try:        # wakes the link's own thread, which then ends the connection
                socket.socket.shutdown(link.stream, socket.SHUT_RD)
            except OSError:
                pass
        return len(idle)


def tls_context(pem):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(pem)
    context.set_alpn_protocols(["http/1.1"])
    return context
