# SPDX-License-Identifier: Apache-2.0
"""An LDAP server that says what a test wants: for answers that slapd doesn't give (ranges, broken paging, garbage, stalls).

FakeLdap(answer) calls answer(search) for each search; it returns or yields what entry(), done() and reference() make,
or None to cut the connection.
"""

import socket
import threading

PAGED = b"1.2.840.113556.1.4.319"


def tlv(tag, *parts):
    body = b"".join(parts)
    size = len(body)
    if size < 128:
        return bytes([tag, size]) + body
    digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(digits)]) + digits + body


def octets(text):
    return tlv(0x04, text if isinstance(text, bytes) else text.encode())


def integer(value, tag=0x02):
    return tlv(tag, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def parse(data, at=0):
    """(tag, contents, next offset) of the element at AT; IndexError if it isn't whole."""
    tag, size = data[at], data[at + 1]
    at += 2
    if size & 0x80:
        count = size & 0x7F
        size = int.from_bytes(data[at:at + count], "big")
        at += count
    if at + size > len(data):
        raise IndexError
    return tag, data[at:at + size], at + size


def parts(data):
    at, found = 0, []
    while at < len(data):
        tag, body, at = parse(data, at)
        found.append((tag, body))
    return found


class Search:
    """base, scope (0, 1, 2), filter (raw BER), attributes; cookie: of the paging control, None without one."""

    def __init__(self, message_id, body, controls):
        fields = parts(body)
        self.id = message_id
        self.base = fields[0][1].decode()
        self.scope = fields[1][1][0]
        self.filter = fields[6]
        self.attributes = [item.decode() for _, item in parts(fields[7][1])]
        self.cookie = None
        for _, control in controls:
            items = parts(control)
            if items[0][1] == PAGED:
                self.cookie = parts(parts(items[-1][1])[0][1])[1][1]


def entry(dn, attributes):
    listed = [tlv(0x30, octets(name), tlv(0x31, *[octets(value) for value in values]))
              for name, values in attributes.items()]
    return tlv(0x64, octets(dn), tlv(0x30, *listed))


def reference(uri):
    return tlv(0x73, octets(uri))


def done(code=0, text="", cookie=None):
    """The end of a search; COOKIE: a paging control with it (b"": the last page)."""
    result = tlv(0x65, integer(code, 0x0A), octets(""), octets(text))
    if cookie is None:
        return result
    value = tlv(0x30, integer(0), octets(cookie))
    return result + tlv(0xA0, tlv(0x30, octets(PAGED), octets(value)))


class FakeLdap:
    """PAGING: whether the root DSE names the control; None: it names no controls at all. ROOT: more of its attributes."""

    def __init__(self, answer, paging=True, root=None):
        self.answer, self.paging, self.root = answer, paging, root or {}
        self.searches = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.uri = f"ldap://127.0.0.1:{self.listener.getsockname()[1]}"
        self.connections = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        data = b""
        try:
            while True:
                try:
                    _, body, end = parse(data)
                except IndexError:
                    more = connection.recv(65536)
                    if not more:
                        return
                    data += more
                    continue
                data = data[end:]
                self._handle(connection, parts(body))
        except OSError:
            pass

    def _handle(self, connection, message):
        message_id = int.from_bytes(message[0][1], "big")
        tag, body = message[1]
        controls = parts(message[2][1]) if len(message) > 2 else []
        if tag == 0x60:
            self.send(connection, message_id, tlv(0x61, integer(0, 0x0A), octets(""), octets("")))
        elif tag == 0x63:
            search = Search(message_id, body, controls)
            if search.base == "" and search.scope == 0:
                features = {"objectClass": ["top"], **self.root}
                if self.paging is not None:
                    features["supportedControl"] = ["1.2.3", *([PAGED] if self.paging else [])]
                self.send(connection, message_id, entry("", features))
                self.send(connection, message_id, done())
                return
            self.searches.append(search)
            for part in self.answer(search):
                if part is None:
                    connection.close()
                    raise OSError
                self.send(connection, message_id, part)

    @staticmethod
    def send(connection, message_id, operation):
        connection.sendall(tlv(0x30, integer(message_id), operation))

    def close(self):
        self.listener.close()
        for connection in self.connections:
            connection.close()
