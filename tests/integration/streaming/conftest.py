"""kubectl's clients, compiled once for the tests of this directory."""

import pytest

from tests.clients.program import GoClients, build


@pytest.fixture(scope="session")
def go_clients(tmp_path_factory: pytest.TempPathFactory) -> GoClients:
    return GoClients(build(tmp_path_factory.mktemp("clients")))
