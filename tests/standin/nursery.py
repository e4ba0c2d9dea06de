# SPDX-License-Identifier: Apache-2.0
"""Starts stand-ins for a session of tests, each as a fork of this process, which has loaded already what they need: that
takes longer than most tests. Run by ../integration/lib/standin.py: nursery.py FD

A message on the socket FD is the path of a configuration, with two descriptors: where the line with the addresses goes,
and all other output. The answer is the process id. When the socket ends, all of them do.
"""

import ctypes
import json
import os
import signal
import socket
import sys

sys.dont_write_bytecode = True

from exchange import APIS, contract_of      # noqa: E402
from standin import serve                   # noqa: E402

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def grow_up(path, ready, log):
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    for number in (1, 2):
        os.dup2(log, number)
    os.close(log)
    with open(path) as source:
        config = json.load(source)

    def tell(line):
        with os.fdopen(ready, "w") as out:
            out.write(line)
    serve(config, tell)


def main():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)       # nobody waits for them
    channel = socket.socket(fileno=int(sys.argv[1]))
    for api in APIS.values():
        contract_of(api)
    while True:
        path, descriptors, _, _ = socket.recv_fds(channel, 4096, 2)
        if not path:
            return
        pid = os.fork()
        if pid == 0:
            channel.close()
            grow_up(path, *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        channel.send(str(pid).encode())


if __name__ == "__main__":
    main()
