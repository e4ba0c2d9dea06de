# SPDX-License-Identifier: Apache-2.0
"""journald's side of its native protocol: collects the entries that a command sends, field by field."""

import os
import re
import shutil
import socket
import tempfile
import threading
import time

from .process import wait_for

# The command sees this directory as /run/systemd/journal; its process id stays that of the first word.
SCRIPT = 'mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal && mount --bind "$0" /run/systemd/journal && exec "$@"'


CATALOG = os.path.join(os.path.dirname(__file__), "../../../systemd/idsyncd.catalog")


def catalog_fields():
    """{id: the fields that its text names}."""
    with open(CATALOG) as source:
        texts = re.findall(r"^-- (\w{32})\n(.*?)(?=^-- |\Z)", source.read(), re.MULTILINE | re.DOTALL)
    return {name: set(re.findall(r"@(\w+)@", text)) for name, text in texts}


def parse(data):
    """The fields of one datagram: NAME=value, or NAME, eight bytes of length and a value that has line feeds."""
    fields, at = {}, 0
    while at < len(data):
        end = data.index(b"\n", at)
        name, equals, value = data[at:end].partition(b"=")
        if not equals:
            size = int.from_bytes(data[end + 1:end + 9], "little")
            value = data[end + 9:end + 9 + size]
            end += 9 + size
        fields[name.decode()] = value.decode(errors="replace")
        at = end + 1
    return fields


class JournalSocket:
    """MESSAGE_IDS: by their names in message-ids.h."""

    def __init__(self, message_ids):
        self.message_ids = message_ids
        self.home = tempfile.mkdtemp(prefix="idsync-journal-")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.socket.bind(f"{self.home}/socket")
        self.received = []      # (monotonic time, fields), oldest first
        threading.Thread(target=self._collect, daemon=True).start()

    def _collect(self):
        while True:
            try:
                data = self.socket.recv(1 << 20)
            except OSError:
                return
            if data:
                self.received.append((time.monotonic(), parse(data)))

    def wrap(self):
        """The words to put before a command, so that what it sends to the journal comes here. Needs root."""
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", SCRIPT, self.home]

    def sync(self):
        """What was sent before is in `received` now."""
        mark = f"MARK={time.monotonic_ns()}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(f"{mark}\n".encode(), f"{self.home}/socket")
        wait_for(lambda: any(f"MARK={fields.get('MARK')}" == mark for _, fields in list(self.received)), 10, "the journal")

    def entries(self, since=0.0, **match):
        """Those with these fields since that monotonic time."""
        return [fields for at, fields in list(self.received)
                if at >= since and "MESSAGE" in fields and all(fields.get(name) == value for name, value in match.items())]

    def of(self, message, entries):
        """Those of ENTRIES with the id that has this name."""
        return [entry for entry in entries if entry.get("MESSAGE_ID") == self.message_ids[message]]

    def wait(self, check=lambda fields: True, timeout=10, since=0.0, **match):
        """The first entry that passes CHECK and has these fields."""
        return wait_for(lambda: next(filter(check, self.entries(since, **match)), None), timeout,
                        f"{match} in the journal; so far {[e['MESSAGE'] for e in self.entries(since)][-8:]}")

    def check_catalog(self):
        """Each entry has the fields that its text in the catalog names: else journalctl -x shows their names instead."""
        needed = catalog_fields()
        lacking = {(entry["MESSAGE"], *sorted(fields)) for entry in self.entries()
                   if (fields := needed.get(entry.get("MESSAGE_ID"), set()) - set(entry))}
        assert not lacking, f"fields that the catalog's text names, and the entry lacks: {lacking}"

    def texts(self):
        """Everything that came, as one text per entry."""
        return ["\n".join(f"{name}={value}" for name, value in fields.items()) for fields in self.entries()]

    def close(self):
        self.socket.shutdown(socket.SHUT_RD)
        self.socket.close()
        shutil.rmtree(self.home, ignore_errors=True)
