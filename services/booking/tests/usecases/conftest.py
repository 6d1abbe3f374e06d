"""What tests of use cases share."""

from pathlib import Path

import pytest

from booking.clients.document_folder import DocumentFolder


@pytest.fixture
def store(tmp_path: Path) -> DocumentFolder:
    """A store of its own."""
    return DocumentFolder(tmp_path / "documents")
