# SPDX-License-Identifier: Apache-2.0
"""A plain client of the stand-ins, for tests of the stand-ins themselves and of nothing else."""

import base64
import http.client
import json
import ssl
from urllib.parse import urlparse

from .standin import KEY, SECRET

JSON = {"Content-Type": "application/json"}


class Answer:
    def __init__(self, raw):
        self.status, self.headers, self.body = raw.status, raw.headers, raw.read()

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)


class Client:
    """One keep-alive connection that doesn't reconnect by itself, and a token. Subclasses know how to get one."""

    def __init__(self, standin, key=KEY, secret=SECRET, ca="ca.pem"):
        self.place = urlparse(standin.url)
        self.tls = ssl.create_default_context(cafile=f"{standin.ca}/{ca}")
        self.key, self.secret = key, secret
        self.token = None
        self.connect()

    def connect(self, timeout=5):
        self.connection = http.client.HTTPSConnection(self.place.hostname, self.place.port, timeout=timeout,
                                                      context=self.tls)
        return self

    def raw(self, method, target, headers=None, body=None):
        self.connection.request(method, target, body=body, headers=headers or {})
        return Answer(self.connection.getresponse())

    @property
    def basic(self):
        return {"Authorization": "Basic " + base64.b64encode(f"{self.key}:{self.secret}".encode()).decode()}

    def get_token(self):
        raise NotImplementedError

    def call(self, method, target, value=None, **headers):
        if self.token is None:
            self.token = self.get_token()
        body = None if value is None else json.dumps(value)
        return self.raw(method, target, {"Authorization": f"Bearer {self.token}",
                                         **(JSON if body else {}), **headers}, body)
