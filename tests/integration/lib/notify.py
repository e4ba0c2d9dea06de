# SPDX-License-Identifier: Apache-2.0
"""The service manager's side of sd_notify: collects what a daemon reports."""

import os
import socket
import threading
import time

from .process import wait_for


class NotifySocket:
    def __init__(self):
        self.address = f"\0idsync-test-{os.getpid()}-{os.urandom(6).hex()}"
        self.variable = "@" + self.address[1:]
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.socket.bind(self.address)
        self.messages = []      # (monotonic time, {name: value}), oldest first
        threading.Thread(target=self._collect, daemon=True).start()

    def _collect(self):
        while True:
            try:
                data, ancillary, _, _ = self.socket.recvmsg(65536, 1024)
            except OSError:
                return
            for _, _, payload in ancillary:     # a file descriptor for the store, or a barrier: close it
                for start in range(0, len(payload) - 3, 4):
                    os.close(int.from_bytes(payload[start:start + 4], "little"))
            if data:
                lines = [line.partition("=") for line in data.decode(errors="replace").splitlines()]
                self.messages.append((time.monotonic(), {name: value for name, _, value in lines}))

    def values(self, name, since=0.0):
        """All values of NAME since that monotonic time, oldest first."""
        return [message[name] for at, message in list(self.messages) if name in message and at >= since]

    def last(self, name):
        return (self.values(name) or [None])[-1]

    def wait(self, name, check=lambda value: True, timeout=10, since=0.0):
        """The first value of NAME that passes CHECK."""
        def look():
            return [(value,) for value in self.values(name, since) if check(value)]
        return wait_for(look, timeout, f"{name}= from the daemon; so far {self.messages[-5:]}")[0][0]

    def close(self):
        self.socket.close()
