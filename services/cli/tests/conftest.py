"""The program run against a stub of the gateway, as a person would run it; `support/` has the helpers."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))

from running_giro import Giro
from stub_gateway import StubGateway


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own for what the program keeps, and no demo around."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("COLUMNS", raising=False)  # pytest's own width is nobody's terminal
    monkeypatch.delenv("GIRO_TOKEN", raising=False)
    monkeypatch.delenv("GIRO_METRICS_URLS", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def gateway(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StubGateway]:
    """A stub gateway that the program finds, with somebody signed in."""
    stub = StubGateway()
    monkeypatch.setenv("GIRO_GATEWAY_URL", stub.url)
    monkeypatch.setenv("GIRO_TOKEN", "a-token")
    yield stub
    stub.close()


@pytest.fixture
def giro() -> Giro:
    return Giro()
