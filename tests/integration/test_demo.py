# SPDX-License-Identifier: Apache-2.0
"""../../demo: it shows what it says, says so when something isn't as shown, and leaves nothing behind."""

import glob
import json
import os
import re
import signal
import subprocess
import tempfile
import urllib.request

import pytest

from lib.daemon import find_binary
from lib.process import end, scaled, spawn, wait_for

CHAPTERS, WITHOUT_OPERATOR = 16, 10
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
DEMO = os.path.normpath(f"{os.path.dirname(os.path.abspath(__file__))}/../../demo")


@pytest.fixture
def environment(tmp_path):
    """The programs under test, and a place of our own for what the demo makes."""
    builddir = os.path.dirname(find_binary("idsyncd"))
    return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TMPDIR": str(tmp_path), "IDSYNCD_BUILDDIR": builddir,
            "IDSYNCD_TEST_SCALE": os.environ.get("IDSYNCD_TEST_SCALE", "1")}


def run(environment, *words):
    return subprocess.run([DEMO, *words], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=scaled(120))


def excerpts():
    """What README.md shows of the demo."""
    with open(os.path.join(os.path.dirname(DEMO), "README.md")) as source:
        return re.findall(r"^```\n(\$ .*?)^```", source.read(), re.MULTILINE | re.DOTALL)


def without_numbers(text):
    """What is another in each run: hashes, times, numbers of accounts and actions."""
    for pattern in (r"\b[0-9a-f]{12}\b", r"\d{4}-\d\d-\d\dT[\d:]+Z", r"\b\d{8}\b", r"(?<=action )\d+", r"(?<=retry )\d+"):
        text = re.sub(pattern, "#", text)
    return text


def grants_namespace(words=()):
    """Whether the kernel lets somebody be root in a namespace, as the demo does."""
    return subprocess.run([*words, "unshare", "--user", "--map-root-user", "true"], capture_output=True).returncode == 0


def chapters(text):
    return [int(number) for number in re.findall(r"^(\d+)\. ", text, re.MULTILINE)]


@pytest.fixture
def nobody(environment):
    """The words before a command that is to be run by somebody who isn't root, and a place for what it makes."""
    with tempfile.TemporaryDirectory(prefix="idsync-nobody-") as place:
        words = NOBODY if os.geteuid() == 0 else []
        os.chown(place, *[65534 if words else -1] * 2)
        reads = subprocess.run([*words, "test", "-x", DEMO, "-a", "-x", find_binary("idsyncd")], check=False)
        yield words if reads.returncode == 0 else [], place


def leftovers(place):
    """Files of a demo, and processes that use them."""
    found = glob.glob(f"{place}/idsyncd-demo-*")
    for process in glob.glob("/proc/[0-9]*"):
        try:
            with open(f"{process}/cmdline") as source:
                used = [source.read().replace("\0", " ")]
            used += [os.readlink(path) for path in glob.glob(f"{process}/fd/*")]
        except OSError:
            continue
        found += [f"{process}: {item}" for item in used if f"{place}/idsyncd-demo-" in item]
    return found


@pytest.mark.slow
def test_all_of_it(environment, tmp_path):
    done = run(environment)
    assert done.returncode == 0, f"{done.stdout[-6000:]}{done.stderr}"
    told = CHAPTERS if os.geteuid() == 0 or grants_namespace() else WITHOUT_OPERATOR
    assert chapters(done.stdout) == list(range(1, told + 1))
    assert "All of it was so." in done.stdout and "FAILED" not in done.stdout
    if told == CHAPTERS:
        output = without_numbers(re.sub(r"^ {2,4}", "", done.stdout, flags=re.MULTILINE))
        assert len(excerpts()) == 2
        for excerpt in excerpts():
            assert without_numbers(excerpt) in output, excerpt
    assert not leftovers(tmp_path)


LIARS = {
    "exit code": "exit 0",
    "no output": "case $* in *--dry-run*) exit 1 ;; esac; exec {real} \"$@\"",
    "held": "case $* in *--dry-run* | *--json*) ;; *--once*) {real} \"$@\"; exit 0 ;; esac; exec {real} \"$@\"",
}


@pytest.mark.parametrize("script", LIARS.values(), ids=LIARS)
def test_a_program_that_does_something_else(environment, tmp_path, script):
    liars = tmp_path / "bin"
    liars.mkdir()
    (liars / "idsyncd").write_text("#!/bin/bash\n" + script.format(real=find_binary("idsyncd")) + "\n")
    (liars / "idsyncd").chmod(0o755)
    os.symlink(find_binary("idsyncd-directory"), liars / "idsyncd-directory")
    done = run(environment | {"IDSYNCD_BUILDDIR": str(liars)})
    assert done.returncode == 1, done.stdout
    assert "demo: FAILED in " in done.stdout and "All of it was so" not in done.stdout
    assert not leftovers(tmp_path)


def test_unknown_option(environment):
    done = run(environment, "--kepe")
    assert done.returncode == 2 and "--keep" in done.stderr


@pytest.mark.slow
def test_keep(environment, nobody):
    """By somebody who isn't root: what it prints to play with does what it says."""
    words, place = nobody
    log = f"{place}/output"
    with open(log, "w") as out:
        demo = spawn([*words, DEMO, "--keep"], env=environment | {"TMPDIR": place}, stdin=subprocess.DEVNULL, stdout=out,
                     stderr=out)

    def told():
        with open(log) as source:
            return source.read()
    try:
        wait_for(lambda: "To end it all" in told() or demo.poll() is not None, 120, "the end of the story")
        text = told()
        assert demo.poll() is None, text[-6000:]
        lines = [line.strip() for line in text.splitlines()]
        export, add = (next(line for line in lines if line.startswith(word)) for word in ("export LDAP", "ldapadd -x"))
        subprocess.run(["bash", "-c", f"{export}\n{add}"], check=True, capture_output=True)
        accounts = re.search(r"^  curl -s (http://\S+/accounts)", text, re.MULTILINE)[1]

        def addresses():
            with urllib.request.urlopen(accounts) as answer:
                return [account["email"] for account in json.load(answer)]
        wait_for(lambda: "your@example.com" in addresses(), 20, "an account for the person that was added")
        if grants_namespace(words):
            bus = next(line for line in lines if line.startswith("export DBUS"))
            status = next(line for line in lines if re.match(r"\S+/idsyncctl status", line))
            subprocess.run([*words, "bash", "-c", f"{bus}\n{status}"], check=True, capture_output=True)
            assert chapters(text) == list(range(1, CHAPTERS + 2)), "the story, and what to play with"
        pid = int(re.search(r"kill -TERM (\d+)", text)[1])
        os.kill(pid, signal.SIGTERM)
        wrapper = re.search(r"^  (\S+/idsyncd\.sh) (.*)$", text, re.MULTILINE)

        def dry_run():
            return subprocess.run([*words, wrapper[1], *wrapper[2].split()], capture_output=True, text=True)
        once = wait_for(lambda: (done := dry_run()).returncode != 7 and done, 20, "the daemon's end")
        assert once.returncode == 0, once
        demo.send_signal(signal.SIGINT)
        assert demo.wait(scaled(20)) == 0, told()[-3000:]
    finally:
        end(demo)
    assert not leftovers(place)
