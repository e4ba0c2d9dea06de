# SPDX-License-Identifier: Apache-2.0
"""System tests: the daemon under a real journald, and as a service of a booted systemd. They use the directory, the stand-in
API and the fixtures of the integration tests."""

import importlib.util
import os
import shutil
import subprocess
import sys

import pytest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))


def fixtures_of(folder):
    """The hooks and fixtures of another folder's conftest.py, as if they stood here."""
    spec = importlib.util.spec_from_file_location("shared_fixtures", os.path.join(HERE, "..", folder, "conftest.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {name: value for name, value in vars(module).items() if not name.startswith("_") and name != "HERE"}


globals().update(fixtures_of("integration"))
sys.path.insert(0, HERE)

from container import Container, Unavailable    # noqa: E402
from journal import Journal                     # noqa: E402
from lib.company import Company                 # noqa: E402
from lib.standin import StandIn                 # noqa: E402
from lib.directory import Slapd                 # noqa: E402
from service import Service                     # noqa: E402


@pytest.fixture
def journal(tmp_path):
    """A journald of the test's own."""
    if os.geteuid() != 0:
        pytest.skip("a journald of one's own needs root")
    if subprocess.run(["unshare", "--mount", "/bin/true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no mount namespace on this machine")
    return Journal(tmp_path / "journal")


@pytest.fixture(scope="module")
def container(tmp_path_factory):
    """A booted systemd with nothing in it."""
    made = Container(tmp_path_factory.mktemp("container"))
    try:
        yield made.boot()
    except Unavailable as reason:
        pytest.skip(str(reason))
    finally:
        made.stop()
        shutil.rmtree(made.workdir, ignore_errors=True)


@pytest.fixture(scope="module")
def bare_service(container, ca, tmp_path_factory):
    """Nothing of idsyncd yet, but a directory and an API on the host's loopback."""
    slapd = Slapd(tmp_path_factory.mktemp("slapd"), ca)
    slapd.load(Company())
    standin = StandIn(tmp_path_factory.mktemp("standin"), ca)
    try:
        yield Service(container, slapd.start(), standin)
    finally:
        standin.cleanup()
        slapd.cleanup()


@pytest.fixture(scope="module")
def service(bare_service):
    """idsyncd installed in the container; not yet started."""
    bare_service.install()
    bare_service.configure()
    return bare_service
