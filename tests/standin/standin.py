#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the remote admin APIs: strict, stateful, and broken on command. See README.md beside this."""

import argparse
import json
import os
import signal
import sys

sys.dont_write_bytecode = True

from control import ControlServer       # noqa: E402
from exchange import APIS, StandIn      # noqa: E402


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", metavar="FILE", help="JSON: api, listen, control, elsewhere, ca_dir, ledger, "
                        "state, quirks, switches; options below win")
    parser.add_argument("--api", choices=sorted(APIS))
    parser.add_argument("--listen", metavar="HOST:PORT", help="default 127.0.0.1:0, any free port")
    parser.add_argument("--control", metavar="HOST:PORT", help="the control interface, plain HTTP")
    parser.add_argument("--ca-dir", metavar="DIR", help="test CA and certificates; made if missing")
    parser.add_argument("--ledger", metavar="FILE", help="append each call, one JSON object a line")
    parser.add_argument("--fill", type=int, default=0, metavar="N", help="start with N accounts")
    parser.add_argument("--no-limits", action="store_true", help="don't enforce the published rate limits")
    return parser.parse_args()


def configuration(options):
    config = {}
    if options.config:
        with open(options.config) as source:
            config = json.load(source)
    for name in ("api", "listen", "control", "ca_dir", "ledger"):
        if getattr(options, name) is not None:
            config[name] = getattr(options, name)
    if "ca_dir" not in config:
        sys.exit("standin: needs --ca-dir, or ca_dir in its configuration")
    config.setdefault("state", APIS[config.get("api", "umbrella")].DEFAULT_STATE)
    if options.no_limits:
        config.setdefault("switches", {}).setdefault("limits", {})["enforce"] = False
    return config


def serve(config, ready, fill=0):
    """Until SIGTERM; calls READY with the addresses first."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    standin = StandIn(config)
    control = ControlServer(config.get("control", "127.0.0.1:0"), standin)
    if fill:
        control.control.run("fill", count=fill)
    ready(json.dumps({**control.control.facts(), "control": control.url}) + "\n")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    os._exit(0)


def main():
    options = arguments()
    serve(configuration(options), lambda line: print(line, end="", flush=True), options.fill)


if __name__ == "__main__":
    main()
