# SPDX-License-Identifier: Apache-2.0
"""The quickest Umbrella that could be: answers made beforehand, all accounts on one page. It costs next to nothing, so
that what is measured is idsyncd, and obeys nobody: a write is refused."""

import json
import re
import socketserver
import ssl
import threading

from lib.standin import KEY, SECRET

ROLES = [{"label": "Full Admin", "roleId": 1}, {"label": "Read Only", "roleId": 2}]
LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.I)


def answer(value, status="200 OK"):
    body = json.dumps(value, ensure_ascii=False).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Connection(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self):
        while (head := self.read_head()):
            length = LENGTH.search(head)
            self.rfile.read(int(length[1]) if length else 0)
            method, path = head.split(b" ", 2)[:2]
            self.wfile.write(self.server.answers.get((method, path.split(b"?")[0]), self.server.refused))

    def read_head(self):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.rfile.readline()
            if not line:
                return b""
            head += line
        return head


class StaticApi(socketserver.ThreadingTCPServer):
    """Has what lib.daemon.Idsyncd needs of a stand-in."""
    daemon_threads = True
    allow_reuse_address = True
    api, key, secret = "umbrella", KEY, SECRET

    def __init__(self, ca):
        super().__init__(("127.0.0.1", 0), Connection)
        self.ca = ca
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{ca}/good.pem")
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.url = f"https://localhost:{self.server_address[1]}"
        self.refused = answer({"message": "this API changes nothing"}, "503 Service Unavailable")
        self.answers = {
            (b"POST", b"/auth/v2/token"): answer({"token_type": "bearer", "access_token": "t" * 64,
                                                  "expires_in": 3600}),
            (b"GET", b"/admin/v2/roles"): answer(ROLES),
        }
        self.set_people([])
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def set_people(self, people):
        """Each of PEOPLE has an account; the first is Full Admin."""
        self.answers[b"GET", b"/admin/v2/users"] = answer([
            {"firstname": p.first, "lastname": p.last, "email": p.email, "role": ROLES[n > 0]["label"],
             "roleId": ROLES[n > 0]["roleId"], "status": "Active", "twoFactorEnable": False, "id": 10000001 + n,
             "timezone": "UTC", "lastLoginTime": "2023-04-11T09:13:52.000Z"} for n, p in enumerate(people)])
