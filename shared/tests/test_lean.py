"""Optional packages stay away from where nobody needs them, and are there for everybody else."""

import sys

import pytest

from kit.lean import without


def test_what_is_left_out_is_there_for_whoever_comes_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "this", raising=False)
    monkeypatch.setattr("builtins.print", lambda *_: None)
    with without("this", "json"):
        import json

        with pytest.raises(ImportError):
            import this
    import this

    assert (this.__name__, json.loads("1")) == ("this", 1)
