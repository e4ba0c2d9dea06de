# SPDX-License-Identifier: Apache-2.0
"""Every call that reached the stand-in, in order, without its secrets."""

import json
import threading
import time


def password_facts(text):
    kinds = {"lower": any(c.islower() for c in text), "upper": any(c.isupper() for c in text),
             "digit": any(c.isdigit() for c in text), "other": any(not c.isalnum() for c in text)}
    return {"length": len(text), "classes": sum(kinds.values()), **kinds}


def redact(value, found):
    """VALUE with each password in it replaced by its length; the passwords go to FOUND."""
    if isinstance(value, list):
        return [redact(item, found) for item in value]
    if not isinstance(value, dict):
        return value
    hidden = {}
    if isinstance(value.get("password"), str):
        found.append(value["password"])
        hidden["password"] = f"<redacted length={len(value['password'])}>"
    return {key: redact(item, found) for key, item in value.items()} | hidden


class Ledger:
    def __init__(self, path=None):
        self.lock = threading.Lock()
        self.entries = []
        self.connections = []
        self.passwords = []
        self.sequence = self.accepted = 0
        self.file = open(path, "a", buffering=1) if path else None

    def open(self, **facts):
        """A new entry; it is in the list at once, with status None while the call runs."""
        with self.lock:
            self.sequence += 1
            entry = {"seq": self.sequence, "wall": time.time(), "mono": time.monotonic(), "status": None,
                     "fault": None, "handled": False, "answered": False, "violation": None, **facts}
            self.entries.append(entry)
            return entry

    def close(self, entry):
        entry["duration"] = round(time.monotonic() - entry["mono"], 6)
        if self.file:
            with self.lock:
                self.file.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def connection(self, **facts):
        with self.lock:
            self.accepted += 1
            record = {"connection": self.accepted, "wall": time.time(),
                      "mono": time.monotonic(), "handshake": None, **facts}
            self.connections.append(record)
            return record

    def redact(self, entry, headers, body):
        """Put BODY into ENTRY, with passwords replaced by facts about them: `password` about the first, `passwords`
        about each, in order."""
        if not body:
            entry["body"] = None
            return
        try:
            text = body.decode()
            value = json.loads(text) if "json" in headers.get("content-type", "") else text
        except ValueError:
            entry["body"] = f"<unreadable, {len(body)} bytes>"
            return
        found = []
        entry["body"] = redact(value, found)
        if found:
            with self.lock:
                self.passwords += found
            entry["passwords"] = [password_facts(secret) for secret in found]
            entry["password"] = entry["passwords"][0]

    def since(self, sequence=0):
        with self.lock:
            return [dict(entry) for entry in self.entries if entry["seq"] > sequence]

    def clear(self):
        """Forget; the numbers go on."""
        with self.lock:
            self.entries = []
            self.connections = []
