# SPDX-License-Identifier: Apache-2.0
"""Faults on command. A fault is a dictionary:

  {"name": "any text", "do": {"kind": KIND, …}, "method": "POST", "path": "^/admin/v2/users$", "at": "request",
   "skip": 2, "count": 1, "probability": 1.0, "organization": 0, "key": ""}

  kind          what happens; each kind below tells its own settings
  method, path  which requests (path: a regular expression, searched); default all
  at            "request", or "connect": then the kinds marked so below, before or instead of the handshake
  skip, count   let so many matching ones pass first, then fire so often (count null: for ever; default 1)
  probability   of those, fire by chance (its own random generator, "seed")

Kinds that give an answer of their own leave the operation undone, unless do.execute is true ("did it happen?").
To add a kind: a function here with @kind, and a test in ../integration/test_standin.py.
"""

import json
import os
import random
import re
import time
from email.utils import formatdate

from http1 import Reply

REQUEST_KINDS = {}
CONNECT_KINDS = {}


def kind(name, at=None, real=False):
    """REAL: the kind spoils the true answer, so the operation runs."""
    def register(function):
        function.real = real
        (CONNECT_KINDS if at == "connect" else REQUEST_KINDS)[name] = function
        return function
    return register


class Fault:
    KEYS = {"name", "do", "method", "path", "at", "skip", "count", "probability", "organization", "key", "seed"}

    def __init__(self, number, spec):
        unknown = set(spec) - self.KEYS
        kinds = CONNECT_KINDS if spec.get("at") == "connect" else REQUEST_KINDS
        if unknown or spec.get("do", {}).get("kind") not in kinds:
            raise KeyError(f"fault: unknown {sorted(unknown) or spec.get('do')}")
        self.id = number
        self.spec = spec
        self.do = spec["do"]
        self.function = kinds[self.do["kind"]]
        self.name = spec.get("name") or self.do["kind"]
        self.path = re.compile(spec.get("path", ""))
        self.random = random.Random(spec.get("seed", 1))
        self.seen = self.fired = 0
        self.execute = self.do.get("execute", self.function.real)

    def matches(self, at, request=None, token=None):
        if self.spec.get("at", "request") != at:
            return False
        if request is None:
            return True
        if self.spec.get("method", request.method) != request.method or not self.path.search(request.path):
            return False
        token = token or {}
        return all(not self.spec.get(part) or self.spec[part] == token.get(part)
                   for part in ("organization", "key"))

    def fires(self):
        count = self.spec.get("count", 1)
        self.seen += 1
        if self.seen <= self.spec.get("skip", 0) or (count is not None and self.fired >= count):
            return False
        if self.random.random() >= self.spec.get("probability", 1.0):
            return False
        self.fired += 1
        return True

    def facts(self):
        return {"id": self.id, "seen": self.seen, "fired": self.fired, **self.spec}


class Faults:
    """The list in force; the caller holds a lock."""

    def __init__(self):
        self.list = []
        self.count = 0

    def add(self, spec):
        self.count += 1
        self.list.append(Fault(self.count, spec))
        return self.count

    def clear(self, number=None):
        self.list = [] if number is None else [f for f in self.list if f.id != number]

    def pick(self, at, request=None, token=None):
        """The first fault that fires; each one that matches counts this event."""
        chosen = None
        for fault in self.list:
            if fault.matches(at, request, token) and chosen is None and fault.fires():
                chosen = fault
        return chosen


# --- kinds that answer a request; (link, reply, do, server) → nothing, everything is sent ---

def own_reply(do, reply, status, body=b"", content_type="application/json"):
    answer = Reply(status, body, [h for h in reply.headers if "ratelimit" in h[0]], content_type)
    answer.headers += [tuple(pair) for pair in do.get("headers", {}).items()]
    answer.clock = reply.clock
    return answer


@kind("status")
def status(link, reply, do, server):
    """code; body (text, or anything else as JSON); content_type; reason; headers; retry_after: seconds, or
    {"date": seconds from now}, or any text"""
    body = do.get("body", {"message": "a fault on command"})
    text = body if isinstance(body, str) else json.dumps(body)
    answer = own_reply(do, reply, do["code"], text.encode(), do.get("content_type", "application/json"))
    answer.reason = do.get("reason")
    wait = do.get("retry_after")
    if isinstance(wait, dict):
        wait = formatdate(time.time() + wait["date"], usegmt=True)
    if wait is not None:
        answer.headers.append(("Retry-After", str(wait)))
    link.reply(answer, body=do["code"] not in (204, 304))


@kind("html")
def html(link, reply, do, server):
    """code (default 502): a page such as proxies make"""
    page = b"<html><head><title>Error</title></head><body><h1>Something is wrong</h1></body></html>\n"
    link.reply(own_reply(do, reply, do.get("code", 502), page, "text/html"))


@kind("redirect")
def redirect(link, reply, do, server):
    """code (default 307); location (default: the same path at the second listener)"""
    answer = own_reply(do, reply, do.get("code", 307))
    location = do.get("location", server.elsewhere_url + do["path"])
    answer.headers.append(("Location", location))
    link.reply(answer)


@kind("content-type", real=True)
def content_type(link, reply, do, server):
    """type (default text/plain; "" for none) on the true answer"""
    reply.content_type = do.get("type", "text/plain")
    link.reply(reply)


@kind("transform", real=True)
def transform(link, reply, do, server):
    """set: {…}, remove: […] in the true JSON answer; rows: […] kept (indexes) of an array; code"""
    value = json.loads(reply.body or b"null")
    if "rows" in do:
        value = [value[i] for i in do["rows"]]
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict):
            item.update(do.get("set", {}))
            for name in do.get("remove", []):
                item.pop(name, None)
    reply.body = json.dumps(value, ensure_ascii=False).encode()
    reply.status = do.get("code", reply.status)
    link.reply(reply)


@kind("duplicate-keys", real=True)
def duplicate_keys(link, reply, do, server):
    """each key of each object twice, the second time with another value"""
    reply.body = re.sub(rb'"(id|roleId)":(\d+)', rb'"\1":\2,"\1":1', reply.body)
    reply.body = re.sub(rb'"(email|access_token)":("[^"]*")', rb'"\1":\2,"\1":"twice@example.com"', reply.body)
    link.reply(reply)


@kind("edit", real=True)
def edit(link, reply, do, server):
    """drop: so many bytes from the end of the true answer; append, prepend: text; as valid HTTP"""
    body = reply.body
    reply.body = do.get("prepend", "").encode() + body[:len(body) - do.get("drop", 0)] + do.get("append", "").encode()
    link.reply(reply)


@kind("oversize", real=True)
def oversize(link, reply, do, server):
    """bytes (default 1 MiB) of text as member field (default middleName) of element row (default 0) of the array in
    the true answer, which is the answer itself or a member of it"""
    value = json.loads(reply.body)
    rows = value if isinstance(value, list) else next(item for item in value.values() if isinstance(item, list))
    rows[do.get("row", 0)][do.get("field", "middleName")] = "x" * do.get("bytes", 1 << 20)
    reply.body = json.dumps(value, ensure_ascii=False).encode()
    link.reply(reply)


@kind("truncate", real=True)
def truncate(link, reply, do, server):
    """bytes (default half of the body) of the true answer, with its true length announced, then the end;
    how: cut (default), close (with TLS notification), reset; chunked: true for a chunk and no last one"""
    part = reply.body[:do.get("bytes", len(reply.body) // 2)]
    length = max(len(reply.body), len(part) + do.get("missing", 1))
    if do.get("chunked"):
        link.send(reply.head(length=-1, Transfer_Encoding="chunked"))
        link.send_chunk(part)
    else:
        link.send(reply.head(length=length) + part)
    getattr(link, do.get("how", "cut"))()


@kind("no-length", real=True)
def no_length(link, reply, do, server):
    """the true answer without Content-Length, its end told by the end of the connection; bytes: only so many"""
    link.send(reply.head(length=-1, Connection="close") + reply.body[:do.get("bytes")])
    link.cut()


@kind("huge")
def huge(link, reply, do, server):
    """size (default 100 MiB): one valid JSON array of small strings; chunked: true for no announced length"""
    size, chunked = do.get("size", 100 << 20), do.get("chunked", False)
    answer = own_reply(do, reply, do.get("code", 200))
    answer.body = b"x"
    link.send(answer.head(length=-1, Transfer_Encoding="chunked") if chunked else answer.head(length=size))
    piece = b'"' + b"0123456789abcdef" * 2047 + b'",'
    sent = 0

    put = link.send_chunk if chunked else link.send
    put(b"[")
    while sent + len(piece) + 4 < size:
        put(piece)
        sent += len(piece)
    put(b'"' + b" " * (size - sent - 4) + b'"]')
    if chunked:
        link.send_chunk(b"")


@kind("deep")
def deep(link, reply, do, server):
    """depth (default 100,000) arrays, one in the other"""
    depth = do.get("depth", 100_000)
    link.reply(own_reply(do, reply, do.get("code", 200), b"[" * depth + b"]" * depth))


@kind("delay", real=True)
def delay(link, reply, do, server):
    """seconds before the first byte of the true answer"""
    link.pause(do["seconds"])
    link.reply(reply)


@kind("stall", real=True)
def stall(link, reply, do, server):
    """bytes of the body (default half; "head": nothing but part of the head), then seconds of silence (default
    an hour), then the rest"""
    data, start = reply.head() + reply.body, len(reply.head())
    cut = 9 if do.get("bytes") == "head" else start + do.get("bytes", len(reply.body) // 2)
    link.send(data[:cut])
    link.pause(do.get("seconds", 3600))
    link.send(data[cut:])


@kind("drip", real=True)
def drip(link, reply, do, server):
    """the true answer, `bytes` (default 1) every `seconds` (default 0.1)"""
    data, step = reply.head() + reply.body, do.get("bytes", 1)
    for start in range(0, len(data), step):
        link.send(data[start:start + step])
        link.pause(do.get("seconds", 0.1))


@kind("reset")
def reset(link, reply, do, server):
    """RST instead of an answer"""
    link.reset()


@kind("close")
def close(link, reply, do, server):
    """the end of the connection instead of an answer; how: cut (default), close (with TLS notification)"""
    getattr(link, do.get("how", "cut"))()


@kind("garbage")
def garbage(link, reply, do, server):
    """bytes (default 500) that are no HTTP, then the end"""
    link.send(random.Random(do.get("seed", 1)).randbytes(do.get("bytes", 500)))
    link.cut()


@kind("close-after", real=True)
def close_after(link, reply, do, server):
    """the true answer, then the end, unannounced; seconds (default 0) between"""
    link.reply(reply)
    if do.get("seconds"):
        time.sleep(do["seconds"])
    link.close()


# --- kinds at connect; (link, do, server) → TLS context, or None ---

@kind("tls-stall", at="connect")
def tls_stall(link, do, server):
    """seconds (default an hour) during which the handshake gets no answer; then the end"""
    deadline = time.monotonic() + do.get("seconds", 3600)
    while time.monotonic() < deadline:
        link.pause(deadline - time.monotonic())     # the ClientHello wakes us, the end raises Gone


@kind("tls-garbage", at="connect")
def tls_garbage(link, do, server):
    """bytes that are no TLS, then the end"""
    link.send(os.urandom(200))


@kind("reset", at="connect")
def connect_reset(link, do, server):
    """RST right after the connection was accepted"""
    link.reset()


@kind("close", at="connect")
def connect_close(link, do, server):
    """the end right after the connection was accepted"""
    link.cut()


@kind("certificate", at="connect")
def certificate(link, do, server):
    """use: good | wrong-host | expired | soon | other-ca, for this connection"""
    return server.context(do["use"])
