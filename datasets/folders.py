"""Where files live: what we can build again in the cache folder, official files in the data folder."""

import os
from pathlib import Path

import platformdirs

CACHE_VARIABLE = "DISBENCH_CACHE"
DATA_VARIABLE = "DISBENCH_DATA"


def cache_folder() -> Path:
    """The folder for files that can be built again: $DISBENCH_CACHE, else the user's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("disbench")


def data_folder() -> Path:
    """The folder for official files: $DISBENCH_DATA, else the user's data folder."""
    chosen = os.environ.get(DATA_VARIABLE)
    return Path(chosen).expanduser() if chosen else platformdirs.user_data_path("disbench")
