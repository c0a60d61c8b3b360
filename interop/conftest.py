"""Options, the brokers that tests share, and a temporary folder that is gone when the test passed."""

import os
import shutil
import tempfile

import pytest

pytest.register_assert_rewrite("interop.lib.contract")

from interop.lib import broker as brokers  # noqa: E402 pylint: disable=wrong-import-position
from interop.lib import javatools, places  # noqa: E402 pylint: disable=wrong-import-position


def pytest_addoption(parser):
    parser.addoption(
        "--broker",
        choices=("barnabas", "stock"),
        default=os.environ.get("BROKER", "barnabas"),
        help="which broker the clients are pointed at (stock proves the tests themselves)",
    )


def pytest_report_header(config):
    if config.getoption("--broker") == "stock":
        return f"broker under test: Apache Kafka {places.STOCK_VERSION}"
    try:
        return f"broker under test: {places.barnabas()}"
    except FileNotFoundError as missing:
        return f"broker under test: {missing}"


@pytest.fixture(scope="session", name="kind")
def _kind(request):
    kind = request.config.getoption("--broker")
    if kind == "stock":
        places.jars(places.STOCK_VERSION)
    return kind


@pytest.fixture(scope="session", name="session_home")
def _session_home():
    home = tempfile.mkdtemp(prefix="barnabas-interop.")
    yield home
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session", name="shared_broker")
def _shared_broker(kind, session_home):
    """One broker for all tests of a worker; they keep apart by their topics' and groups' names."""
    with brokers.Broker(kind, os.path.join(session_home, "shared")) as running:
        yield running
        running.stop()


@pytest.fixture(name="broker")
def _broker(shared_broker):
    """The shared broker, checked to be alive before and after each test."""
    assert shared_broker.alive(), f"the broker is gone:\n{shared_broker.log[-4000:]}"
    yield shared_broker
    assert shared_broker.alive(), f"this test took the broker down:\n{shared_broker.log[-4000:]}"


@pytest.fixture(name="new_broker")
def _new_broker(kind, tmp_path):
    """Makes brokers of a test's own, not yet started; they are ended with the test."""
    made = []

    def make(of_kind=kind, changes=None, dynamic_quorum=False):
        made.append(brokers.Broker(of_kind, tmp_path / f"node{len(made)}", changes, dynamic_quorum))
        return made[-1]

    yield make
    for each in made:
        each.kill()


@pytest.fixture(scope="session", name="tools")
def _tools():
    """The console tools of the current release, in one warm JVM."""
    with javatools.ToolServer(places.STOCK_VERSION) as server:
        yield server


@pytest.fixture(scope="session", name="old_tools")
def _old_tools():
    with javatools.ToolServer(places.OLD_VERSION) as server:
        yield server


@pytest.fixture(name="name")
def _name(request):
    """A topic and group name of the test's own."""
    base = "".join(each if each.isalnum() else "-" for each in request.node.nodeid.split("/", 1)[-1])
    return base[-120:].strip("-") + f"-{os.getpid()}"


@pytest.fixture(scope="session", name="node")
def _node():
    """The npm packages, or a skip that says why not."""
    places.need_node()


@pytest.fixture(scope="session", name="go")
def _go():
    """The compiled Go drivers, or a skip that says why not."""
    places.need("go")
