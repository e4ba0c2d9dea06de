# SPDX-License-Identifier: Apache-2.0
"""Stands between the reader and slapd, and spoils the answers to searches for people: for what a healthy slapd doesn't do
on demand. Plain ldap://, so the runner's directory needs insecure."""

import socket
import threading

from .company import PEOPLE
from .fakeldap import done, integer, parse, parts, tlv

SEARCH, ENTRY, DONE = 0x63, 0x64, 0x65


class LdapProxy:
    """While `after` is set: so many entries of a search for people pass, the rest don't. Then comes `then`: a result
    code, "cut" (the connection ends), or "success" (slapd's own end, as if that had been all)."""

    def __init__(self, slapd, base=PEOPLE):
        self.slapd, self.base = slapd, base
        self.after, self.then = None, "success"
        self.spoiled = 0                # searches so far
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.uri = f"ldap://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def spoil(self, then, after=3):
        self.after, self.then = after, then

    def heal(self):
        self.after = None

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            Pair(self, connection)

    def close(self):
        self.listener.close()


class Pair:
    """One connection, and its own to slapd."""

    def __init__(self, proxy, client):
        self.proxy, self.client = proxy, client
        self.server = socket.create_connection(("127.0.0.1", proxy.slapd.port))
        self.people = {}                # entries so far, by the message ids of searches that are spoiled
        for source, target, look in ((self.client, self.server, self._request), (self.server, self.client, self._answer)):
            threading.Thread(target=self._pump, args=(source, target, look), daemon=True).start()

    def _pump(self, source, target, look):
        data = b""
        try:
            while more := source.recv(1 << 16):
                data += more
                while data:
                    try:
                        _, body, end = parse(data)
                    except IndexError:
                        break
                    message, data = data[:end], data[end:]
                    target.sendall(look(message, parts(body)))
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _request(self, message, fields):
        tag, body = fields[1]
        if tag == SEARCH and self.proxy.after is not None and parts(body)[0][1].decode().lower() == self.proxy.base:
            self.people[fields[0][1]] = 0
            self.proxy.spoiled += 1
        return message

    def _answer(self, message, fields):
        number, tag = fields[0][1], fields[1][0]
        if number not in self.people:
            return message
        if tag == ENTRY:
            self.people[number] += 1
            return message if self.people[number] <= self.proxy.after else b""
        if tag != DONE or self.proxy.then == "success":
            return message
        if self.proxy.then == "cut":
            raise OSError
        return tlv(0x30, integer(int.from_bytes(number, "big")), done(self.proxy.then, "as the test wants it"))
