#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A TLS server that misbehaves as the path says: http-server.py DIRECTORY

Makes its certificates in DIRECTORY (ca.pem signs them), prints the ports of its listeners as one line, writes one line
a connection and one a request to DIRECTORY/ledger, and ends when its standard input does.
"""

import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

DIR = sys.argv[1]
LOCK = threading.Lock()
JSON = b"Content-Type: application/json\r\n"


def ledger(line):
    with LOCK, open(f"{DIR}/ledger", "a", encoding="ascii") as f:
        f.write(line + "\n")


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, cwd=DIR, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def make_ca(name):
    openssl("req", "-x509", *NEW_KEY, "-days", "60", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")


def make_certificate(name, ca, alternatives):
    openssl("req", *NEW_KEY, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
    with open(f"{DIR}/{name}.ext", "w", encoding="ascii") as f:
        f.write(f"subjectAltName={alternatives}\n")
    openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-CAcreateserial",
            "-days", "30", "-extfile", f"{name}.ext", "-out", f"{name}.pem")


def answer(status, body=b"", headers=b"", length=None):
    return (b"HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s"
            % (status, len(body) if length is None else length, headers, body))


class Gone(Exception):
    """The client closed the connection."""


class Request:
    def __init__(self, stream, read_body=True):
        self.head = b""
        while b"\r\n\r\n" not in self.head:
            data = stream.recv(65536)
            if not data:
                raise Gone
            self.head += data
            if not read_body:
                break
        self.head, _, self.body = self.head.partition(b"\r\n\r\n")
        self.method, self.path = self.head.split(b" ", 2)[:2]
        length = 0
        for line in self.head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        if self.path.startswith(b"/early"):
            return
        while len(self.body) < length:
            data = stream.recv(65536)
            if not data:
                raise Gone
            self.body += data


def reset(stream):
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(stream.detach())


def drip(stream, count, pause):
    stream.sendall(answer(b"200 OK", headers=JSON, length=count))
    for _ in range(count):
        time.sleep(pause)
        stream.sendall(b"1")


def big_chunked(stream):
    stream.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(100000):
        stream.sendall(b"1000\r\n" + b"x" * 4096 + b"\r\n")


SIMPLE = {
    b"/ok": answer(b"200 OK", b'{"ok":true}', JSON),
    b"/204": b"HTTP/1.1 204 No Content\r\n\r\n",
    b"/404": answer(b"404 Not Found", b'{"message":"Not Found"}', JSON),
    b"/503": answer(b"503 Service Unavailable", b"", b"Retry-After: 7\r\n"),
    b"/429": answer(b"429 Too Many Requests", b"{}",
                    b"Content-Type: Application/JSON; charset=utf-8\r\nretry-after: 120\r\n"
                    b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nX-RateLimit-Remaining-Second: 4\r\n"
                    b"x-ratelimit-remaining-minute: 0\r\nx-ratelimit-remaining-1800: 301\r\n"),
    b"/retry-date": answer(b"429 Too Many Requests", b"{}",
                           b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:50:07 GMT\r\n"),
    b"/interim": b"HTTP/1.1 103 Early Hints\r\nRetry-After: 99\r\n\r\n" + answer(b"200 OK", b"{}", JSON),
    b"/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Retry-After\r\n\r\n"
                 b"3\r\nabc\r\n3\r\ndef\r\n0\r\nRetry-After: 99\r\n\r\n",
    b"/nul": answer(b"200 OK", b"a\0b", JSON),
    b"/gzip": answer(b"200 OK", b"\x1f\x8b\x08", b"Content-Encoding: gzip\r\n"),
}
# The connection is closed after these.
LAST = {
    b"/truncated": answer(b"200 OK", b'{"half":', JSON, length=100),
    b"/truncated-chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nabc",
    b"/until-close": b"HTTP/1.1 200 OK\r\n\r\nabc",
    b"/garbage": b"\x16\x03nothing\x00like HTTP\r\n\r\n",
    b"/half-head": b"HTTP/1.1 200 OK\r\nContent-Ty",
    b"/only-interim": b"HTTP/1.1 100 Continue\r\n\r\n",
    b"/many-headers": b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 500 + b"\r\n",
    b"/empty": b"",
    b"/drop": b"",
    b"/early": answer(b"413 Content Too Large", b'{"message":"too much"}', JSON + b"Connection: close\r\n"),
    b"/bad-status": b"HTTP/1.1 xyz\r\n\r\n",
    b"/two-lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde",
}


def serve_request(stream, request, nth):
    """True: the connection goes on."""
    path = request.path
    if path == b"/once" and nth > 1:
        return False
    if path in SIMPLE or path == b"/once":
        stream.sendall(SIMPLE.get(path) or SIMPLE[b"/ok"])
        return True
    if path in LAST:
        stream.sendall(LAST[path])
        if path == b"/early":
            time.sleep(0.3)
        return False
    if path == b"/abrupt":
        stream.sendall(b"HTTP/1.1 200 OK\r\n\r\nabc")
        os.close(stream.detach())  # without TLS's goodbye
        raise Gone
    if path == b"/reset":
        reset(stream)
        raise Gone
    if path == b"/echo":
        stream.sendall(answer(b"200 OK", request.head + b"\r\n\r\n" + request.body))
    elif path == b"/redirect":
        stream.sendall(answer(b"302 Found", b"", b"Location: https://localhost:1/ok\r\n"))
    elif path == b"/stall":
        time.sleep(60)
    elif path == b"/stall-body":
        stream.sendall(answer(b"200 OK", b'{"half":', JSON, length=100))
        time.sleep(60)
    elif path == b"/drip":
        drip(stream, 10, 0.15)
    elif path == b"/moment":
        drip(stream, 2, 0.1)
    elif path == b"/drip-forever":
        drip(stream, 1000, 0.1)
    elif path == b"/big":
        stream.sendall(answer(b"200 OK", b"x" * 5000000))
    elif path == b"/big-chunked":
        big_chunked(stream)
    return True


def serve(raw, context):
    try:
        ledger("connect")
        with context.wrap_socket(raw, server_side=True) as stream:
            nth = 0
            while True:
                request = Request(stream)
                nth += 1
                ledger(f"{request.method.decode()} {request.path.decode()} {len(request.body)}")
                if not serve_request(stream, request, nth):
                    try:
                        stream.unwrap()
                    except OSError:
                        pass
                    return
    except (Gone, OSError):
        pass


def mute(raw, _context):
    """Accepts, and never says a word."""
    ledger("connect")
    time.sleep(60)
    raw.close()


def plain(raw, _context):
    """Not TLS at all."""
    raw.recv(4096)
    raw.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    raw.close()


def listen(handler, context=None):
    server = socket.create_server(("127.0.0.1", 0))

    def accept():
        while True:
            raw, _ = server.accept()
            threading.Thread(target=handler, args=(raw, context), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return server.getsockname()[1]


def context_of(name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{DIR}/{name}.pem", f"{DIR}/{name}.key")
    return context


def main():
    make_ca("ca")
    make_ca("other-ca")
    make_certificate("good", "ca", "DNS:localhost,IP:127.0.0.1")
    make_certificate("stranger", "other-ca", "DNS:localhost,IP:127.0.0.1")
    make_certificate("misnamed", "ca", "DNS:elsewhere.example")
    ports = [listen(serve, context_of(name)) for name in ("good", "stranger", "misnamed")]
    ports += [listen(mute), listen(plain)]
    print(" ".join(map(str, ports)), flush=True)
    sys.stdin.read()


main()
