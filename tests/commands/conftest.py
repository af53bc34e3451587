from collections.abc import Iterator

import pytest

from tests.commands.live import Live, sign_up
from tests.e2e.test_up import up


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """One system, which every command works on."""
    data = tmp_path_factory.mktemp("live") / "data"
    with up(data) as status:
        made = sign_up(data, status["url"])
        yield made
        made.client.close()
