# SPDX-License-Identifier: Apache-2.0
"""What the APIs have in common: the class that each one extends, refusals, tokens, switches, answers."""

import base64
import binascii
import copy
import json
import random
import time

from http1 import Reply

FREE = ("short", "extra_headers", "beside")     # switches whose value is a dictionary of any names


class Refused(Exception):
    """The operation ends here, with this answer; `body` instead of what the API makes of the text."""

    def __init__(self, status, text="", body=None, headers=()):
        super().__init__(text)
        self.status = status
        self.body = body
        self.headers = list(headers)


class Rendered(str):
    """JSON that was checked against the contract and written out already."""


class Plain(str):
    """A body that isn't JSON; the contract tells its media type."""


def fold(text):
    return text.strip().casefold()


def merge(old, new, where=""):
    """NEW over OLD, recursively; unknown keys are errors, so that a test can't misspell a switch."""
    merged = dict(old)
    for key, value in new.items():
        if key not in old:
            raise KeyError(f"unknown switch {where}{key}")
        deep = isinstance(old[key], dict) and key not in FREE
        merged[key] = merge(old[key], value, f"{where}{key}.") if deep else value
    return merged


class Api:
    """All state and every operation of one API. The caller holds a lock around each method.

    A subclass names its `contract`, its QUIRKS, the DEFAULT_STATE of a run without configuration, the parts of
    its state (PARTS), and its VERBS: a class whose public methods are control verbs. It fills `operations`
    (operation id → method) and implements what raises NotImplementedError here."""

    contract = None
    QUIRKS = {}
    SWITCHES = {}               # what the server's switches are by default, if not as in exchange.py
    DEFAULT_STATE = {}
    PARTS = ()
    VERBS = None

    def __init__(self, contract, state=None, quirks=None):
        self.rules = contract
        self.quirks = merge(copy.deepcopy(self.QUIRKS), quirks or {})
        self.version = 0            # of what a rendered account depends on
        self.user_shapes = set()
        self.get_user_operation = next(op for op in contract.operations if op.id == "getUser")
        self.keys = {}
        self.operations = {}
        self.urls = {}              # "url", "elsewhere": set by the server
        self.start()
        self.set_state(state or {})

    def start(self):
        """Before the first state: empty attributes, operations."""
        raise NotImplementedError

    def set_state(self, state):
        """Each part of STATE that is there replaces that part."""
        unknown = set(state) - set(self.PARTS)
        if unknown:
            raise KeyError(f"unknown part of the state: {', '.join(sorted(unknown))}")
        for part in self.PARTS:
            if part in state:
                getattr(self, f"set_{part}")(state[part])
        self.version += 1

    def set_keys(self, items):
        self.keys = {item["key"]: dict(item) for item in items}

    def get_state(self):
        raise NotImplementedError

    def public_keys(self):
        return [{k: v for k, v in item.items() if k != "secret"} for item in self.keys.values()]

    def set_quirks(self, quirks):
        self.quirks = merge(self.quirks, quirks)
        self.version += 1

    # --- one request, in the order in which exchange.py calls these ---

    def local_path(self, path):
        """The path as the contract knows it; None for one outside."""
        return path

    def identify(self, op, request, tokens, entry):
        """Who asks: a dictionary with at least `key`, the facts of the token. Refused if nobody known."""
        raise NotImplementedError

    def authorize(self, op, values, token):
        """Refused if TOKEN doesn't allow this operation."""

    def issue(self, op, values, token, tokens, rules):
        """The Reply of the token operation. RULES: the server's switches for tokens."""
        raise NotImplementedError

    def perform(self, op, values, token, entry):
        """The Reply of any other operation."""
        path, query, headers, body = values
        answer = self.operations[op.id](self.subject(token), path, query, body)
        return self.reply(op, *answer)

    def subject(self, token):
        """What an operation gets as its first argument."""
        return token

    def problem(self, status, text="", body=None):
        """A Reply that says no."""
        raise NotImplementedError

    # --- helpers ---

    def reply(self, op, status, value=None, headers=()):
        """VALUE as a Reply, checked against the contract unless it is Rendered."""
        if isinstance(value, Reply):
            return value
        kind, body = "application/json", b""
        if isinstance(value, Plain):
            kind = self.rules.check_answer(op, status, str(value), plain=True)
            body = value.encode()
        elif isinstance(value, Rendered):
            body = value.encode()
        else:
            self.rules.check_answer(op, status, value, empty=value is None)
            if value is not None:
                body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
        return Reply(status, body, headers, kind)

    def check_shape(self, value, extra=()):
        """The contract looks at names, types and emptiness: each combination is checked once."""
        shape = tuple((name, type(item), not item) for name, item in value.items()) + extra
        if shape not in self.user_shapes:
            self.rules.check_answer(self.get_user_operation, 200, value)
            self.user_shapes.add(shape)

    def basic(self, request):
        """The key that an Authorization header of the kind Basic proves, or None."""
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        try:
            key, _, secret = base64.b64decode(text, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        known = self.keys.get(key)
        return key if scheme.lower() == "basic" and known is not None and known["secret"] == secret else None


class Tokens:
    """Whose token is whose."""

    def __init__(self, random_seed=None):
        self.random = random.Random(random_seed)
        self.issued = {}
        self.count = 0

    def issue(self, lifetime, **facts):
        """A new token's text; FACTS (key, …) come back from find()."""
        self.count += 1
        text = "eyJ" + "".join(self.random.choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123456789-_", k=1850))
        self.issued[text] = {"number": self.count, **facts, "until": time.monotonic() + lifetime}
        return text

    def find(self, request):
        """The facts of the bearer token of REQUEST, or None."""
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        return self.issued.get(text.strip()) if scheme.lower() == "bearer" else None

    def expire(self):
        for token in self.issued.values():
            token["until"] = 0.0

    def revoke(self):
        self.issued.clear()
