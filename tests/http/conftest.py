"""Fixtures: one server for the tests of a module, or one of its own for a test that breaks it."""
import itertools

import pytest

from server import BINARY, Server


def pytest_report_header():
    return f"program: {BINARY}"


@pytest.fixture(scope="module")
def server(tmp_path_factory, request):
    """Shared by a module's tests; FLAGS and TIME_SCALE of the module apply."""
    made = Server(tmp_path_factory.mktemp("server"), *getattr(request.module, "FLAGS", ()),
                  time_scale=getattr(request.module, "TIME_SCALE", None))
    yield made
    made.stop()


@pytest.fixture
def own_server(tmp_path):
    """Makes servers for one test: own_server(*flags, time_scale=...)."""
    made = []

    def make(*flags, **options):
        directory = tmp_path / f"server-{len(made)}"
        directory.mkdir()
        made.append(Server(directory, *flags, **options))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def admin(server):
    return server.admin


names = (f"shelf-{number}" for number in itertools.count(1))


@pytest.fixture
def collection(server):
    """The name of a collection that no other test uses."""
    name = next(names)
    server.collection(name)
    return name
