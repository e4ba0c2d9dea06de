# SPDX-License-Identifier: Apache-2.0
"""Primavera's jobs: POST /v3/user starts one, at most one runs, its result tells what became of each user."""

import csv
import io
import itertools
import time

from api import Plain, Refused, fold, merge

JOB_QUIRKS = {
    "seconds": 0,           # how long a job runs, at least
    "polls": 0,             # how many 202 it answers before it ends, at least
    "apply": "end",         # when users change: end | start
    "outcome": "done",      # done | error (500, nothing changed) | error-applied | lost (404) | lost-applied
    "keep": None,           # seconds after the end until its number is forgotten (404)
    "busy": 400,            # answer to a POST while a job runs: 400 | 409 | 500
    "busy_text": "",        # "": the documented text, which doesn't say why
    "tell": "absolute",     # where the number is: absolute | path | relative | typo (/users/status/) | elsewhere (a URL at
                            # another host) | body | none
}
OUTCOMES = ("done", "error", "error-applied", "lost", "lost-applied")


class Job:
    def __init__(self, number, key, store, rules):
        self.number = number
        self.key = key
        self.store = store
        self.rules = rules
        self.started = time.monotonic()
        self.ended = None
        self.polls = 0
        self.applied = False
        self.results = {"added": [], "modified": [], "deleted": []}

    @property
    def state(self):
        return "running" if self.ended is None else self.rules["outcome"].partition("-")[0]

    def due(self):
        return (self.ended is None and time.monotonic() - self.started >= self.rules["seconds"]
                and self.polls >= self.rules["polls"])

    def forgotten(self):
        keep = self.rules["keep"]
        return self.ended is not None and keep is not None and time.monotonic() - self.ended >= keep

    def users(self):
        return self.results["added"] + self.results["modified"]


class Script:
    def __init__(self, text, effect, ok, processed, report, count):
        if effect not in ("none", "fields", "all"):
            raise KeyError(f"unknown effect {effect}")
        self.text, self.effect, self.ok, self.report, self.count = text, effect, ok, report, count
        self.processed = effect != "none" if processed is None else processed


class Jobs:
    def __init__(self, api):
        self.api = api
        self.numbers = itertools.count(95733)
        self.all = {}
        self.scripts = {}       # folded login → Script

    def facts(self):
        return [{"number": job.number, "key": job.key, "state": job.state, "polls": job.polls,
                 "logins": [item["loginId"] for part in job.store.values() for item in part],
                 "results": {item["loginId"]: item["statusInfo"] for item in job.users()}}
                for job in self.all.values()]

    def add_script(self, login, *settings):
        self.scripts[fold(login)] = Script(*settings)

    # --- the machine ---

    def running(self):
        return next((job for job in self.all.values() if job.ended is None), None)

    def begin(self, key, store, settings=None):
        rules = merge(self.api.quirks["job"], settings or {})
        if rules["outcome"] not in OUTCOMES:
            raise KeyError(f"unknown outcome {rules['outcome']}")
        job = Job(next(self.numbers), key, store, rules)
        self.all[job.number] = job
        if rules["apply"] == "start":
            self.apply(job)
        return job

    def advance(self):
        """End the job that is due. Called before everything that could see the difference."""
        job = self.running()
        if job is not None and job.due():
            self.end(job)

    def finish_now(self, settings):
        job = self.running()
        if job is None:
            raise KeyError("no job runs")
        job.rules = merge(job.rules, settings)
        self.end(job)

    def end(self, job):
        if job.rules["outcome"] in ("done", "error-applied", "lost-applied"):
            self.apply(job)
        job.ended = time.monotonic()

    def apply(self, job):
        if not job.applied:
            job.applied = True
            for part in ("added", "modified"):
                results = [self.one(job, item, part) for item in job.store.get(part, [])]
                job.results[part] = [result for result in results if result is not None]

    # --- one user ---

    def one(self, job, item, part):
        """Create or update a user; its part of the result."""
        login = item["loginId"]
        script = self.take_script(login)
        user = self.api.find(login)
        verb = "updated" if user else "created"
        problem = self.obstacle(user, item, part)
        effect, ok, text = "all", True, f"User {verb}"
        if problem:
            effect, ok, text = "none", False, problem
        elif any(role["name"] not in self.api.applications for role in item.get("roles", [])):
            effect, ok, text = "fields", False, f"User {verb}, but Application Access failed"
        processed = effect != "none"
        if script is not None:
            ok, text, processed = script.ok, script.text, script.processed
            effect = "none" if problem else script.effect
        if effect != "none":
            user = self.store(job, user, item, with_roles=effect == "all")
        if script is not None and not script.report:
            return None
        shown = user.to_dict(self.api.quirks) if effect != "none" else item
        return {**shown, "processed": processed, "statusInfo": text, "statusInfoOK": ok}

    def take_script(self, login):
        script = self.scripts.get(fold(login))
        if script is not None and script.count is not None:
            script.count -= 1
            if script.count <= 0:
                del self.scripts[fold(login)]
        return script

    def obstacle(self, user, item, part):
        company = self.api.companies.get(item["organization"]["id"])
        others = self.api.by_email.get(fold(item["emailAddress"]), set()) - {fold(item["loginId"])}
        if user is None and part == "modified":
            return "User does not exist"
        if "id" in item and (user is None or item["id"] != user.id):
            return "User id does not match"
        if company is None or company["name"] != item["organization"]["name"]:
            return "Company does not exist"
        if others and self.api.quirks["unique_email"]:
            return "Email address is already in use"
        return ""

    def store(self, job, user, item, with_roles):
        api = self.api
        company = api.companies[item["organization"]["id"]]
        if user is None:
            user = api.create(item, company, job.key)
        else:
            api.update(user, item, company)
        if with_roles:
            user.roles = {role["name"]: api.grant(role) for role in item.get("roles", [])}
        return user

    # --- operations ---

    def save(self, token, path, query, body):
        items = body.get("added", []) + body.get("modified", [])
        logins = {fold(item["loginId"]) for item in items}
        rules = self.api.quirks["job"]
        if self.running() is not None:
            raise Refused(rules["busy"], rules["busy_text"])
        if not items or len(logins) < len(items):
            raise Refused(400)
        job = self.begin(token["key"], body)
        tell = rules["tell"]
        if tell == "body":
            return 202, job.number
        return 202, None, self.location(job, tell)

    def location(self, job, tell):
        path = self.api.url(f"/v3/user/status/{job.number}")
        places = {"absolute": self.api.urls.get("url", "") + path, "path": path,
                  "relative": f"user/status/{job.number}", "elsewhere": self.api.urls.get("elsewhere", "") + path,
                  "typo": self.api.url(f"/v3/users/status/{job.number}")}
        return [("Location", places[tell])] if tell in places else []

    def find(self, number):
        job = self.all.get(number)
        if job is None or job.forgotten():
            raise Refused(404)
        return job

    def status(self, token, path, query, body):
        job = self.find(path["jobId"])
        job.polls += 1
        if job.state == "running":
            return 202, None, self.location(job, job.rules["tell"])
        if job.state == "lost":
            raise Refused(404)
        if job.state == "error":
            raise Refused(500)
        return 200, job.results

    def over(self, number):
        job = self.find(number)
        if job.state != "done":
            raise Refused(404)
        return job

    def draft(self, token, path, query, body):
        out = io.StringIO()
        rows = csv.writer(out)
        rows.writerow(["Last Name", "First Name", "Email", "Username", "Company", "User Type", "Locked", "Active"])
        for user in self.over(path["jobId"]).users():
            if not user["statusInfoOK"]:
                rows.writerow([user["lastName"], user["firstName"], user["emailAddress"], user["loginId"],
                               user["organization"]["name"], user.get("userType", ""), user.get("locked", False),
                               not user["disabled"]])
        return 200, Plain(out.getvalue())

    def log(self, token, path, query, body):
        job = self.over(path["jobId"])
        return 200, Plain("".join(f"{user['loginId']}: {user['statusInfo']}\n" for user in job.users()))
