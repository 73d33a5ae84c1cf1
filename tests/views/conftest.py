from __future__ import annotations

from typing import Any

import pytest
from results import all_results


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    return all_results(tmp_path_factory.mktemp("results"))
