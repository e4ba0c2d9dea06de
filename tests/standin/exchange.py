# SPDX-License-Identifier: Apache-2.0
"""From a request to its answer: contract, token, limits, fault, operation, ledger, in this order."""

import copy
import functools
import os
import threading
import time

import certs
import limits
from api import Refused, Tokens, merge
from contract import Contract, Violation
from faults import Faults
from http1 import Gone, Reply, Server, tls_context
from ledger import Ledger
from primavera import Primavera
from umbrella import Umbrella, UmbrellaGov

HERE = os.path.dirname(os.path.abspath(__file__))
# An API is a subclass of Api (api.py) and a contract.
APIS = {"umbrella": Umbrella, "umbrella-gov": UmbrellaGov, "primavera": Primavera}

SWITCHES = {
    "limits": {"enforce": True, "headers": True, "second": 5, "minute": 14, "half_hour": 350, "token_minute": 20,
               "refused_count": False,      # calls while over the limit lengthen the wait
               "retry_after": None},        # None | "seconds" | "date", on a 429
    "token": {"expires_in": 3600,           # what the answer says
              "lifetime": None,             # what is true; None: the same
              "token_type": "Bearer"},
    "certificate": "good",
    "clock": 0,                             # seconds that the Date of every answer is ahead
    "extra_headers": {},                    # on every answer
    "latency": 0,                           # seconds before every answer
    "keep_alive": 0,                        # requests on a connection until it is closed (announced); 0: no limit
}
HSTS = ("Strict-Transport-Security", "max-age=31536000; includeSubDomains")


@functools.cache
def contract_of(api):
    return Contract(os.path.join(HERE, "openapi", api.contract))


class StandIn:
    """Everything of one run: the API's state, tokens, limits, faults, ledger and the two listeners."""

    def __init__(self, config):
        self.config = config
        self.make_api = APIS[config.get("api", "umbrella")]
        self.contract = contract_of(self.make_api)
        self.urls = {}
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
        self.urls.update(url=self.url, elsewhere=self.elsewhere_url)

    def reset(self):
        """Everything as the configuration says, but for connections and the ledger's numbers."""
        self.api = self.make_api(self.contract, copy.deepcopy(self.config.get("state")),
                                 copy.deepcopy(self.config.get("quirks")))
        self.api.urls = self.urls
        switches = merge(copy.deepcopy(SWITCHES), copy.deepcopy(self.make_api.SWITCHES))
        self.switches = merge(switches, copy.deepcopy(self.config.get("switches", {})))
        self.tokens = Tokens()
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
        reply.clock = self.switches["clock"]
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
        op = values = token = violation = None
        try:
            op, values = self._read(request)
        except Violation as error:
            violation = error
            op = error.operation
            entry["violation"] = str(error)
        try:
            token = self.api.identify(op, request, self.tokens, entry)
            self._limit(op, token, headers)
            if violation is not None:
                raise Refused(violation.status)
            self.api.authorize(op, values, token)
        except Refused as refused:
            reply = self.api.problem(refused.status, str(refused), refused.body)
            reply.headers += refused.headers
            return op, values, token, reply
        return op, values, token, None

    def _read(self, request):
        path = self.api.local_path(request.path)
        if path is None:
            raise Violation(f"no such path: {request.path}"[:200], 404)
        op, match = self.contract.find(request.method, path)
        try:
            return op, (op.read_path(match), op.read_query(request.query), op.read_headers(request.headers),
                        op.read_body(request.headers, request.body))
        except Violation as violation:
            violation.operation = op
            raise

    def _limit(self, op, token, headers):
        """Count the call; Refused if it is over the limit. Adds the HEADERS that tell about it."""
        rules = self.switches["limits"]
        basic = op is not None and op.basic
        allowed = {"minute": rules["token_minute"]} if basic else {
            "second": rules["second"], "minute": rules["minute"], "1800": rules["half_hour"]}
        if not rules["enforce"]:
            return
        windows = self.windows.setdefault((token["key"], basic), limits.Windows())
        fine, left, wait = windows.take(time.monotonic(), allowed, rules["refused_count"])
        if rules["headers"]:
            headers += limits.headers(allowed, left, wait)
        if not fine:
            after = rules["retry_after"]
            raise Refused(429, headers=[("Retry-After", limits.retry_after(wait, after))] if after else [])

    def _execute(self, op, values, token, entry):
        try:
            if op.basic:
                reply = self.api.issue(op, values, token, self.tokens, self.switches["token"])
                entry.update(organization=token.get("organization"), token=self.tokens.count)
            else:
                reply = self.api.perform(op, values, token, entry)
        except Refused as refused:
            return self.api.problem(refused.status, str(refused), refused.body)
        entry["handled"] = op.basic or op.method != "GET"
        return reply
