# SPDX-License-Identifier: Apache-2.0
"""The operator's part of the demo: plans that are held in the running daemon, and what one does with them."""

from stage import call_line, claim, heading, say, shown

from lib.bus import sync
from lib.company import group_dn
from lib.process import wait_for


def change(what, group, people):
    return (f"dn: {group_dn(group)}\nchangetype: modify\n{what}: member\n" +
            "".join(f"member: {p.dn}\n" for p in people))


class Operator:
    def __init__(self, stage, company, wanted):
        self.stage, self.bus, self.standin = stage, stage.bus, stage.standin
        self.wanted = wanted            # addresses that must have accounts all the while
        self.people = {p.uid: p for p in company.people}

    def some(self, *names):
        return [self.people[name] for name in names]

    def emails(self):
        return sorted(email.lower() for email in self.standin.emails())

    def roles(self, people):
        return {p.uid: self.standin.account(p.email)["role"] for p in people}

    def held(self, but=""):
        """Waits for a held plan with another hash than BUT."""
        def check():
            plan = self.bus.ask("status")["targets"][0]["held"]
            return plan and plan["hash"] != but and plan["hash"]
        return wait_for(check, 20, "a held plan", every=0.1)

    def nothing_written(self, before):
        claim(not self.stage.writes(before), "nothing was written at the API")

    # --- the chapters ---

    def hold_and_look(self):
        heading("A script goes wrong: five people fall out of a group. Hold, and look")
        say("  The limit here is four deletes in 24 hours. Look at the reason, and at what the status advises.")
        self.before = self.stage.last_call()
        self.lost = self.some("alan", "barbara", "edsger", "frances", "joan")
        self.stage.ldap("ldapmodify", "script.ldif", change("delete", "umbrella", self.lost))
        digest = self.held()
        self.stage.ctl("status", code=6)
        plan = self.stage.ctl("plan", "umbrella", code=6)
        claim(plan.out.count(" delete ") == 5 and digest in plan.out,
              "one removal today and five more are over the limit of four: all five wait, and the reason says so")
        self.nothing_written(self.before)
        return digest

    def stale(self, digest):
        heading("The plan is approved, but the world has moved on: stale")
        say("  One of the five is back in the group. What was approved isn't what would be done now: so nothing is.")
        back = self.lost.pop()
        self.stage.ldap("ldapmodify", "back.ldif", change("add", "umbrella", [back]), quiet=True)
        newer = self.held(but=digest)
        result = self.stage.ctl("approve", digest, code=6)
        claim(newer in result.err, f"refused: it isn't what is asked for any more; what is has the hash {newer}")
        self.nothing_written(self.before)
        return newer

    def reject(self, digest):
        heading("Reject: these four stay")
        say("  Look at \"because\" and \"next\": why alan still has an account though he isn't in the group.")
        self.stage.ctl("reject", digest)
        sync(self.bus, "ok")
        self.stage.ctl("explain", self.lost[0].email)
        self.nothing_written(self.before)
        claim(set(self.wanted) <= set(self.emails()), "everybody still has their account")
        self.stage.ldap("ldapmodify", "undo.ldif", change("add", "umbrella", self.lost), quiet=True)
        sync(self.bus, "ok")
        self.nothing_written(self.before)

    def promote(self):
        heading("Three people become administrators: a file to review, and apply")
        say("  The held plan as a file: for a merge request, or a second pair of eyes. Apply does exactly that, or nothing.")
        self.promoted = self.some("edsger", "frances", "joan")
        self.stage.ldap("ldapmodify", "promote.ldif", change("add", "umbrella-admins", self.promoted))
        self.held()
        file = f"{self.stage.home}/plan.json"
        self.stage.ctl("plan", "umbrella", "-o", file)
        with open(file) as source:
            first, end, others = source.read().partition("\n    },\n")
        shown(first + end)
        claim(others.count('"action": "recreate"') == 2, "and two more like it")
        before = self.stage.last_call()
        self.stage.ctl("apply", file)
        wait_for(lambda: set(self.roles_or_none().values()) == {"Full Admin"}, 20, "the new roles")
        shown("\n".join(map(call_line, self.stage.writes(before))))
        claim(len(self.stage.writes(before)) == 6, "Umbrella can't change a role: each account was deleted and made anew")
        say("  Names, addresses and sign-on are as before; only the account's number is another.")

    def roles_or_none(self):
        """Between a DELETE and its POST there is no account."""
        accounts = {p.uid: self.standin.account(p.email) for p in self.promoted}
        return {uid: account and account["role"] for uid, account in accounts.items()}

    def revert(self):
        heading("That was a mistake: revert")
        say("  A plan that takes back what that cycle did, held like any other. Look at \"next\" afterwards.")
        done = [a for a in self.bus.ask("history")["actions"] if (a["action"], a["state"]) == ("recreate", "done")]
        before = self.stage.last_call()
        self.stage.ctl("revert", str(done[0]["cycle"]))
        digest = self.bus.ask("status")["targets"][0]["revert"]["hash"]
        self.nothing_written(before)
        self.stage.ctl("approve", digest)
        wait_for(lambda: set(self.roles_or_none().values()) == {"Read Only"}, 20, "the roles from before")
        written = len(self.stage.writes(before))
        sync(self.bus)
        claim(len(self.stage.writes(before)) == written == 6,
              "the roles are as before; the directory still says administrators, and nothing is asked for because of it")
        self.stage.ctl("explain", self.promoted[0].email)
        say("  The cause is mended too: the group lets them go.")
        self.stage.ldap("ldapmodify", "demote.ldif", change("delete", "umbrella-admins", self.promoted), quiet=True)
        sync(self.bus, "ok")
        claim(len(self.stage.writes(before)) == written, "directory and accounts are in step again")

    def orphans(self, vendor):
        heading("Who has an account, and nobody knows why? (for auditors: --csv)")
        result = self.stage.ctl("orphans")
        claim(vendor in result.out, "the contractor: idsyncd never touches the account, and tells of it when it is asked")

    def walk(self, vendor):
        self.reject(self.stale(self.hold_and_look()))
        self.promote()
        self.revert()
        self.orphans(vendor)
