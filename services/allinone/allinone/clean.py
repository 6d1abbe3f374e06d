"""The verb `make clean`: removes what runs have left, also where it lies outside the folder."""

import os
import shutil
from pathlib import Path

from allinone import postgres


def clean(state: Path) -> None:
    """Deletes the state folder and the cluster that stood in for it under /var/tmp."""
    shutil.rmtree(state, ignore_errors=True)
    if os.geteuid() == 0:
        shutil.rmtree(postgres.outside(state.resolve()), ignore_errors=True)
