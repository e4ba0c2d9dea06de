# SPDX-License-Identifier: Apache-2.0
"""From a request to its answer: contract, token, limits, fault, operation, ledger, in this order."""

import base64
import binascii
import copy
import json
import os
import threading
import time
import uuid

import certs
import limits
from contract import Contract, Violation
from faults import Faults
from http1 import Gone, Reply, Server, tls_context
from ledger import Ledger
from umbrella import Refused, Tokens, Umbrella, UmbrellaGov, merge

HERE = os.path.dirname(os.path.abspath(__file__))
# An API is a class with a contract, set_state/get_state/set_quirks and a table of operations; see umbrella.py.
APIS = {"umbrella": Umbrella, "umbrella-gov": UmbrellaGov}

SWITCHES = {
    "limits": {"enforce": True, "headers": True, "second": 5, "minute": 14, "half_hour": 350, "token_minute": 20,
               "refused_count": False,      # calls while over the limit lengthen the wait
               "retry_after": None},        # None | "seconds" | "date", on a 429
    "token": {"expires_in": 3600,           # what the answer says
              "lifetime": None,             # what is true; None: the same
              "token_type": "Bearer"},
    "certificate": "good",
    "extra_headers": {},                    # on every answer
    "latency": 0,                           # seconds before every answer
    "keep_alive": 0,                        # requests on a connection until it is closed (announced); 0: no limit
}
HSTS = ("Strict-Transport-Security", "max-age=31536000; includeSubDomains")


def message(status, text):
    return Reply(status, json.dumps({"message": text}, separators=(",", ":")).encode())


class StandIn:
    """Everything of one run: the API's state, tokens, limits, faults, ledger and the two listeners."""

    def __init__(self, config):
        self.config = config
        contract = APIS[config.get("api", "umbrella")].contract
        self.contract = Contract(os.path.join(HERE, "openapi", contract))
        self.lock = threading.RLock()
        self.ledger = Ledger(config.get("ledger"))
        self.certificates = certs.make_all(config["ca_dir"])
        self.contexts = {}
        self.reset()
        elsewhere = Server(config.get("elsewhere", "127.0.0.1:0"), self.handle_elsewhere,
                           lambda link: self.context("good"), Ledger())
        self.elsewhere_url = f"https://{elsewhere.address}"
        self.server = Server(config.get("listen", "127.0.0.1:0"), self.handle, self.greet, self.ledger)
        self.url = f"https://{self.server.address}"

    def reset(self):
        """Everything as the configuration says, but for connections and the ledger's numbers."""
        users = next(op for op in self.contract.operations if op.id == "getUser")
        api = APIS[self.config.get("api", "umbrella")]
        self.api = api(copy.deepcopy(self.config.get("state")), copy.deepcopy(self.config.get("quirks")),
                       lambda value: self.contract.check_answer(users, 200, value))
        self.switches = merge(copy.deepcopy(SWITCHES), copy.deepcopy(self.config.get("switches", {})))
        self.tokens = Tokens(self.api)
        self.windows = {}
        self.faults = Faults()
        self.elsewhere_calls = []
        self.ledger.clear()

    def context(self, name):
        if name not in self.contexts:
            self.contexts[name] = tls_context(f"{self.certificates}/{name}.pem")
        return self.contexts[name]

    def greet(self, link):
        with self.lock:
            fault = self.faults.pick("connect")
        if fault is None:
            return self.context(self.switches["certificate"])
        link.record["fault"] = fault.name
        return fault.function(link, fault.do, self)

    def handle_elsewhere(self, link, request):
        """The host that a redirect names: it takes note, and answers in a way that a follower would like."""
        self.elsewhere_calls.append({
            "method": request.method, "path": request.path, "authorization": "authorization" in request.headers,
            "body_bytes": len(request.body)})
        link.reply(Reply(200, b"[]"))

    # --- one request ---

    def handle(self, link, request):
        entry = self.ledger.open(connection=link.number, method=request.method, path=request.path,
                                 query=request.query, key=None, organization=None, token=None,
                                 headers={n: request.headers[n] for n in ("user-agent", "accept", "content-type")
                                          if n in request.headers})
        entry["authorization"] = request.headers.get("authorization", "").partition(" ")[0] or None
        self.ledger.redact(entry, request.headers, request.body)
        served = entry["request_number"] = link.record["requests"] = link.record.get("requests", 0) + 1
        if self.switches["keep_alive"] and served >= self.switches["keep_alive"]:
            link.keep = False
        try:
            self._exchange(link, request, entry)
            entry["answered"] = True
        except Gone as error:
            entry["gone"] = str(error)
            raise
        finally:
            self.ledger.close(entry)

    def _exchange(self, link, request, entry):
        with self.lock:
            headers = [HSTS, *self.switches["extra_headers"].items()]
            op, values, token, reply = self._admit(request, entry, headers)
            fault = None if reply is not None else self.faults.pick("request", request, token)
            if reply is None and (fault is None or fault.execute):
                reply = self._execute(op, values, token, entry)
            elif reply is None:
                reply = Reply(500)
        reply.headers += headers
        self._send(link, request, entry, reply, fault)

    def _send(self, link, request, entry, reply, fault):
        if self.switches["latency"]:
            link.pause(self.switches["latency"])
        if fault is None:
            entry["status"] = reply.status
            link.reply(reply)
            return
        entry["fault"] = fault.name
        entry["status"] = fault.do.get("code", reply.status if fault.execute else None)
        target = request.path + ("?" + request.query if request.query else "")
        fault.function(link, reply, {**fault.do, "path": target}, self)

    def _admit(self, request, entry, headers):
        """(operation, values, token, None), or a reply that refuses in the place of None."""
        op = values = token = None
        try:
            op, match = self.contract.find(request.method, request.path)
            values = (op.read_path(match), op.read_query(request.query), op.read_headers(request.headers),
                      op.read_body(request.headers, request.body))
        except Violation as violation:
            entry["violation"] = str(violation)
            refusal = message(violation.status, {404: "Not Found", 405: "Method Not Allowed"}.get(
                violation.status, "Invalid request"))
        token, reply = self._identify(op, request, entry)
        if reply is None:
            reply = self._limit(op, token, headers)
        if reply is None and entry["violation"]:
            reply = refusal
        if reply is None:
            reply = self._authorize(op, values, token)
        return op, values, token, reply

    def _identify(self, op, request, entry):
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        if op is not None and op.basic:
            key = self._basic(scheme, text)
            if key is None:
                return None, message(401, "Invalid authentication credentials")
            entry["key"] = key
            return {"key": key, "organization": self.api.keys[key]["organization"], "parent": True}, None
        token = self.tokens.issued.get(text.strip())
        if scheme.lower() != "bearer" or token is None:
            return None, message(401, "Unauthorized request")
        entry.update(key=token["key"], organization=token["organization"], token=token["number"])
        if token["until"] <= time.monotonic():
            return None, Reply(400, b'{"error":"invalid_request"}')
        return token, None

    def _basic(self, scheme, text):
        try:
            key, _, secret = base64.b64decode(text, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        known = self.api.keys.get(key)
        if scheme.lower() != "basic" or known is None or known["secret"] != secret:
            return None
        return key

    def _limit(self, op, token, headers):
        """Count the call; the reply if it is over the limit. Adds the HEADERS that tell about it."""
        rules = self.switches["limits"]
        basic = op is not None and op.basic
        allowed = {"minute": rules["token_minute"]} if basic else {
            "second": rules["second"], "minute": rules["minute"], "1800": rules["half_hour"]}
        if not rules["enforce"]:
            return None
        windows = self.windows.setdefault((token["key"], basic), limits.Windows())
        fine, left, wait = windows.take(time.monotonic(), allowed, rules["refused_count"])
        if rules["headers"]:
            headers += limits.headers(allowed, left, wait)
        if fine:
            return None
        reply = message(429, "API rate limit exceeded")
        if rules["retry_after"]:
            reply.headers.append(("Retry-After", limits.retry_after(wait, rules["retry_after"])))
        return reply

    def _authorize(self, op, values, token):
        if op.basic:
            child = values[2].get("x-umbrella-orgid")
            if child is None:
                return None
            organization = self.api.organizations.get(child)
            if organization is None or token["organization"] not in (organization.id, organization.parent):
                return message(403, "Forbidden")
            return None
        granted = self.api.keys[token["key"]].get("scopes", self.contract.scopes)
        if not set(op.scopes) <= set(granted) or (op.parent_only and not token["parent"]):
            return message(403, "Forbidden")
        return None

    def _execute(self, op, values, token, entry):
        path, query, headers, body = values
        if op.basic:
            return self._issue(op, headers, token, entry)
        organization = self.api.organizations[token["organization"]]
        try:
            status, value = self.api.operations[op.id](organization, path, query, body)
        except Refused as refused:
            return message(refused.status, str(refused))
        entry["handled"] = op.method != "GET"
        if value is None:
            return Reply(status)
        text = value
        if op.id not in ("listUsers", "getUser", "createUser"):     # these check and render each account
            self.contract.check_answer(op, status, value)
            text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return Reply(status, text.encode())

    def _issue(self, op, headers, token, entry):
        rules = self.switches["token"]
        organization = headers.get("x-umbrella-orgid") or token["organization"]
        told = rules["expires_in"]
        lifetime = told if rules["lifetime"] is None else rules["lifetime"]
        value = {"token_type": rules["token_type"], "expires_in": told,
                 "access_token": self.tokens.issue(token["key"], organization, lifetime)}
        self.contract.check_answer(op, 200, value)
        entry.update(organization=organization, token=self.tokens.count, handled=True)
        return Reply(200, json.dumps(value).encode(),
                     [("Cache-Control", "no-store"), ("x-request-id", uuid.uuid4().hex)])
