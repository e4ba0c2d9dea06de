# SPDX-License-Identifier: Apache-2.0
"""A directory, an API and idsyncd, in step until a test breaks something; and what the operator is told of that.

Nothing but what the test is about holds idsyncd back: leavers are deleted at once, limits are wide, plans are applied.
"""

import contextlib
import re
import sqlite3
import time

from .process import wait_for

WIDE = {kind: 1000 for kind in ("create", "update", "recreate", "enable", "disable", "delete", "reset")} | {"percent": 100}
CAREFREE = {"leave": "delete", "leave_grace": "0s", "limits": WIDE, "list_interval": "1s"}


class Told:
    """All four ways: once (the Result of --once), entries (its journal, else the daemon's), status (STATUS=), shown
    (idsyncctl status, a Result; document: the same with --json); and health (idsyncctl health)."""

    def __init__(self, **ways):
        self.once = None
        vars(self).update(ways)


class Site:
    def __init__(self, runner, slapd, standin, bus, journal):
        self.runner, self.slapd, self.standin, self.bus, self.journal = runner, slapd, standin, bus, journal
        runner.environment["DBUS_SYSTEM_BUS_ADDRESS"] = bus.address
        runner.target.update(CAREFREE | ({"leave": "disable"} if standin.api == "primavera" else {}))
        self.before = None

    @property
    def target(self):
        return self.runner.target

    # --- nothing was removed or overwritten ---

    def settle(self, wait="20s"):
        """In step; from here on untouched() holds until a test expects otherwise."""
        result = self.once(code=0, wait=wait)
        self.mark()
        return result

    def mark(self):
        self.before = self.standin.control("accounts")
        self.standin.clear_ledger()

    def writes(self):
        """The calls that would change something, in order."""
        return [(call["method"], call["path"]) for call in self.standin.calls()
                if call["method"] != "GET" and not call["path"].endswith("/token")]

    def untouched(self):
        """The API has what it had, and was asked for no change."""
        assert self.writes() == []
        assert self.standin.control("accounts") == self.before

    def pass_time(self):
        """As if all times of back-off had passed: of targets, of keys, of actions. Nothing runs meanwhile."""
        with sqlite3.connect(f"{self.runner.state}/idsyncd.db") as db:
            db.execute("DELETE FROM park")
            db.execute("UPDATE action SET due = 1 WHERE finished IS NULL")

    # --- what the operator is told ---

    def once(self, *args, code, wait="0s"):
        """--once, with its journal in `entries` of the result."""
        since = time.monotonic()
        result = self.runner.once("--log-target", "journal", "--wait", wait, *args, expect=code, wrap=self.journal.wrap())
        self.journal.sync()
        result.entries = self.journal.entries(since)
        return result

    @contextlib.contextmanager
    def daemon(self):
        daemon = self.runner.start("--log-target", "journal", wrap=self.journal.wrap())
        yield daemon
        assert daemon.terminate() == 0

    def journaled(self, message, words, since=0.0, timeout=10):
        """The entry with this id (its name in message-ids.h) and these words."""
        return self.journal.wait(lambda entry: re.search(words, entry["MESSAGE"]), timeout, since,
                                 MESSAGE_ID=self.journal.message_ids[message])

    def shown(self, code, words, timeout=10):
        """idsyncctl status once it says so, with this exit code."""
        last = []

        def look():
            last[:] = [self.bus.ctl("status")]
            return last[0].code == code and re.search(words, last[0].out) and last[0]
        try:
            return wait_for(look, timeout, f"idsyncctl status with exit {code} and {words!r}", every=0.1)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{last[0]}") from None

    def told_by(self, daemon, code, message, journal, status, shown, since=0.0):
        """Three of the ways, of a daemon that runs; what it said before SINCE doesn't count."""
        line = daemon.wait_status(status, 10, since)
        self.journaled(message, journal, since)
        return Told(status=line, shown=self.shown(code, shown), document=self.bus.ask("status"),
                    health=self.bus.ctl("health").out, entries=self.journal.entries(since))

    def told(self, code, message, *, journal, status, shown, wait="0s"):
        """That something is wrong is told by --once and by the daemon: exit code, id and words of a journal line, words of
        STATUS=, words and exit code of idsyncctl status. And that nothing was touched."""
        once = self.once(code=code, wait=wait)
        assert [e for e in self.journal.of(message, once.entries) if re.search(journal, e["MESSAGE"])], (
            message, journal, [e["MESSAGE"] for e in once.entries])
        since = time.monotonic()
        with self.daemon() as daemon:
            told = self.told_by(daemon, code, message, journal, status, shown, since)
        told.once, told.entries = once, once.entries
        self.untouched()
        return told

    def recovers(self):
        """What was broken is whole again: all is well, and nothing had to be mended."""
        self.once(code=0, wait="10s")
        self.untouched()


def dump(runner, leave_out=()):
    """Everything in the database that a person would call state, but for the tables named."""
    with sqlite3.connect(f"file:{runner.state}/idsyncd.db?mode=ro", uri=True) as db:
        names = [n for n, in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
        rows = {n: [*db.execute(f'SELECT * FROM "{n}"')] for n in names if n not in leave_out}
    # these two tell of openings and commits, not of what was decided
    rows["meta"] = [row for row in rows["meta"] if row[0] not in ("generation", "clean")]
    return {name: sorted(map(repr, items)) for name, items in rows.items()}
