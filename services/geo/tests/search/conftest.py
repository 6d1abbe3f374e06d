"""What the tests of search and travel share: small worlds, and roads of their own making."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "support"))
