# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the integration tests. How to add a test: README.md beside this.

Every process is on 127.0.0.1, in the test's own directory, on ports of its own, and dies with the test.
"""

import os
import re
import subprocess
import sys

import pytest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "standin")]

import certs                                    # noqa: E402
from lib import process                         # noqa: E402
from lib.bus import Bus, compared                # noqa: E402
from lib.company import Company                 # noqa: E402
from lib.daemon import Idsyncd                  # noqa: E402
from lib.directory import Slapd                 # noqa: E402
from lib.journal import JournalSocket           # noqa: E402
from lib.site import Site                       # noqa: E402
from lib.standin import StandIn                 # noqa: E402
from lib.unit import Unit                       # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--time-scale", type=float, default=None,
                     help="multiply all time-outs (also IDSYNCD_TEST_SCALE), for slow machines and sanitizers")


def pytest_configure(config):
    if config.getoption("--time-scale") is not None:
        process.scale = config.getoption("--time-scale")


def pytest_collection_modifyitems(items):
    """What takes long begins first, so that nobody works on alone in the end."""
    items.sort(key=lambda item: not any(map(item.get_closest_marker, ("slow", "xdist_group"))))


def marked(request, name):
    marker = request.node.get_closest_marker(name)
    return marker.kwargs if marker else {}


@pytest.fixture(scope="session")
def ca(tmp_path_factory):
    """Directory with the test CA and all certificates (../standin/certs.py)."""
    return certs.make_all(str(tmp_path_factory.mktemp("ca")))


@pytest.fixture
def make_slapd(tmp_path, ca):
    """make_slapd(company=None, start=True, **settings) → a further directory."""
    made = []

    def make(company=None, start=True, **settings):
        slapd = Slapd(tmp_path / f"slapd-{len(made) + 1}", ca, **settings)
        made.append(slapd)
        slapd.load(company or Company())
        return slapd.start() if start else slapd
    yield make
    for slapd in made:
        slapd.cleanup()


@pytest.fixture
def company(request):
    """Ten people, one of them an admin; @pytest.mark.company(people=…) for others. Its groups are those of the API of
    @pytest.mark.standin."""
    service = "primavera" if marked(request, "standin").get("api") == "primavera" else "umbrella"
    return Company(**{"services": [service], **marked(request, "company")})


@pytest.fixture
def slapd(make_slapd, company):
    """A directory with `company` in it, running."""
    return make_slapd(company)


@pytest.fixture
def make_standin(tmp_path, ca):
    """make_standin(**settings) → a further stand-in API."""
    made = []

    def make(**settings):
        standin = StandIn(tmp_path / f"standin-{len(made) + 1}", ca, **settings)
        made.append(standin)
        return standin
    yield make
    for standin in made:
        standin.cleanup()
    violations = [text for standin in made for text in standin.broken]
    assert not violations, f"requests that break the API's contract: {violations}"


@pytest.fixture
def standin(request, make_standin):
    """The stand-in Umbrella, without rate limits; @pytest.mark.standin(limits=True, …), (api="primavera", …) for
    others."""
    return make_standin(**marked(request, "standin"))


@pytest.fixture
def make_idsyncd(tmp_path, make_slapd, make_standin):
    """make_idsyncd(slapd=…, standin=…, **top) → a further runner with a state of its own."""
    made = []

    def make(slapd=None, standin=None, **top):
        runner = Idsyncd(tmp_path / f"idsyncd-{len(made) + 1}", slapd, standin, **top)
        made.append((runner, standin))
        return runner
    yield make
    for runner, standin in made:
        runner.cleanup()
    for runner, standin in made:
        alive = standin is not None and standin.process.poll() is None
        runner.check_outputs(standin.control("passwords") if alive else ())


@pytest.fixture
def idsyncd(make_idsyncd, slapd, standin):
    """The binaries, set up for `slapd` and `standin`; see lib/daemon.py."""
    return make_idsyncd(slapd, standin)


@pytest.fixture
def unit(server):
    """A part of its own of the directory `server`, which the tests of a file share: lib/unit.py."""
    return Unit(server)


@pytest.fixture
def unit_reader(make_idsyncd, unit):
    """unit_reader(groups, …) → a runner for that part; .directory is the section of the configuration."""
    def make(*groups, **directory):
        runner = make_idsyncd()
        runner.config["directory"] = runner.directory = unit.directory(**directory)
        runner.config["targets"] = [unit.target(*groups)]
        runner.credentials["ldap-password"] = unit.server.password
        return runner
    return make


@pytest.fixture
def bus():
    """A private system bus with the shipped policy: lib/bus.py. Becomes other users: needs root."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    made = Bus().start()
    yield made
    made.cleanup()


@pytest.fixture
def make_daemon(make_idsyncd, slapd, standin, bus):
    """make_daemon(target={…}, **top) → (runner, daemon on the bus); the directory is read every hour, and when asked."""
    def make(target=None, poll="1h", **top):
        runner = make_idsyncd(slapd, standin, **top)
        runner.environment["DBUS_SYSTEM_BUS_ADDRESS"] = bus.address
        runner.config["directory"]["poll_interval"] = poll
        runner.target.update(target or {})
        daemon = runner.start()
        compared(bus)
        return runner, daemon
    return make


@pytest.fixture(scope="session")
def message_ids():
    """{"STARTED": "d61d…", …} as the header has them."""
    with open(f"{HERE}/../../daemon/base/message-ids.h") as header:
        return dict(re.findall(r'#define MSGID_(\w+)\s+"(\w+)"', header.read()))


@pytest.fixture
def journal_socket(message_ids):
    """A journal that is read as it is written (lib/journal.py)."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0:
        pytest.skip("a journal of the test's own needs root and mount namespaces")
    made = JournalSocket(message_ids)
    yield made
    made.close()
    made.check_catalog()


@pytest.fixture
def site(idsyncd, slapd, standin, bus, journal_socket):
    """All of it, and what an operator is told when it breaks (lib/site.py)."""
    yield Site(idsyncd, slapd, standin, bus, journal_socket)
    idsyncd.outputs += journal_socket.texts()
