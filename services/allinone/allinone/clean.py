"""The verb `make clean`: removes what runs have left, also where it lies outside the folder."""

import os
import shutil
from pathlib import Path

from allinone import postgres

WORLDS = "worlds"
"""Under the state folder: one folder of data for each map."""


def clean(state: Path) -> None:
    """Deletes the state folder and the clusters that stood in for it under /var/tmp."""
    worlds = [state, *(state / WORLDS).glob("*")]
    if os.geteuid() == 0:
        for world in worlds:
            shutil.rmtree(postgres.outside(world.resolve()), ignore_errors=True)
    shutil.rmtree(state, ignore_errors=True)
