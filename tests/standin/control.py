# SPDX-License-Identifier: Apache-2.0
"""The control interface: plain HTTP on a loopback port, POST /VERB with a JSON object, JSON back.

A verb is a method of Control, or of the API's VERBS; its parameters are the keys of the object. GET /VERB is a
POST without any.
"""

import inspect
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from api import merge


class Control:
    def __init__(self, standin):
        self.standin = standin

    @property
    def _api(self):
        return self.standin.api

    def help(self):
        """This list."""
        return {name: f"{inspect.signature(verb)} {verb.__doc__.strip()}" for name, verb in self.verbs().items()}

    def verbs(self):
        return {name: getattr(place, name) for place in (self, self._api.VERBS(self._api))
                for name in dir(type(place)) if not name.startswith("_") and name not in ("verbs", "run")}

    def run(self, verb, **arguments):
        """Run one verb."""
        with self.standin.lock:
            verbs = self.verbs()
            if verb not in verbs:
                raise KeyError(f"no such verb: {verb}; try help")
            return verbs[verb](**arguments)

    def state(self):
        """All that the API has: accounts, roles, keys (no secrets), …"""
        return self._api.get_state()

    def set_state(self, **parts):
        """Replace the parts that are given; which there are: PARTS of the API's class."""
        self._api.set_state(parts)

    def quirks(self, **changes):
        """Change the API's switches (QUIRKS of umbrella.py, primavera.py), give them all."""
        self._api.set_quirks(changes)
        return self._api.quirks

    def switches(self, **changes):
        """Change the server's switches (exchange.py SWITCHES): limits, token, certificate, …; give them all."""
        self.standin.switches = merge(self.standin.switches, changes)
        self.standin.context(self.standin.switches["certificate"])
        return self.standin.switches

    def reset(self):
        """Everything as at the start: state, switches, faults, ledger, tokens, limits; idle connections end."""
        self.standin.server.listen()
        self.standin.server.close_idle()
        self.standin.reset()

    def ledger(self, since=0):
        """Every call with a number above SINCE; one with status null and no duration is under way."""
        return self.standin.ledger.since(since)

    def clear_ledger(self):
        """Forget the calls and connections; numbers go on."""
        self.standin.ledger.clear()

    def connections(self):
        """Every connection, with the outcome of its handshake."""
        return self.standin.ledger.connections

    def passwords(self):
        """The passwords that were sent, in the clear, for tests that look where else they may be."""
        return self.standin.ledger.passwords

    def elsewhere(self):
        """What reached the second host, to which redirects point."""
        return self.standin.elsewhere_calls

    def fault(self, **spec):
        """Add a fault (faults.py); its number."""
        return self.standin.faults.add(spec)

    def faults(self):
        """The faults in force, with how often each was seen and fired."""
        return [fault.facts() for fault in self.standin.faults.list]

    def clear_faults(self, id=None):
        """End one fault, or all."""
        self.standin.faults.clear(id)

    def expire_tokens(self):
        """Every token given so far is expired from now on."""
        self.standin.tokens.expire()

    def revoke_tokens(self):
        """Every token given so far is unknown from now on: 401."""
        self.standin.tokens.revoke()

    def clear_limits(self):
        """Forget what was counted for the rate limits."""
        self.standin.windows.clear()

    def close_idle(self, reset=False):
        """End the connections that carry no request now; how many."""
        return self.standin.server.close_idle(reset)

    def listen(self, on=True):
        """Refuse new connections (on: false), or accept them again on the same port."""
        server = self.standin.server
        server.listen() if on else server.stop_listening()

    def facts(self):
        """Addresses and process id."""
        return {"url": self.standin.url, "elsewhere": self.standin.elsewhere_url, "pid": os.getpid(),
                "ca": f"{self.standin.certificates}/ca.pem"}

    def shutdown(self):
        """End the program."""
        threading.Timer(0.05, os._exit, (0,)).start()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *args):
        pass

    def _answer(self, status, value):
        body = (json.dumps(value, ensure_ascii=False) + "\n").encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _run(self, body):
        try:
            value = self.server.control.run(self.path.strip("/"), **json.loads(body or b"{}"))
        except Exception as error:      # whatever a test did wrong belongs in the test's output
            return self._answer(400, {"error": f"{type(error).__name__}: {error}"})
        self._answer(200, value)

    def do_GET(self):
        self._run(b"")

    def do_POST(self):
        self._run(self.rfile.read(int(self.headers.get("Content-Length", 0))))


class ControlServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address, standin):
        host, _, port = address.rpartition(":")
        super().__init__((host, int(port)), Handler)
        self.control = Control(standin)
        self.url = f"http://{host}:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()
