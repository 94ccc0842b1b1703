"""The output folder of a study, on a local disk or one that several machines share.

    OUT/study.json                         the study that the folder belongs to
    OUT/register.json                      its runs' configurations and ids, and what columns mean
    OUT/cohorts/<cohort id>-<random>.parquet    rows; a file appears when its models are finished, never before
    OUT/weights/<cohort id>.safetensors    the trained models
    OUT/history/<cohort id>.parquet        reconstruction, KL terms and ELBO over training
    OUT/*/joined-<random>.*                many such files in one
    OUT/plans/<program>.json               on a GPU: how many models of a program train together, as tried out there
    OUT/checkpoints/<cohort id>.safetensors    where a training in work can go on; removed when it is done
    OUT/damaged/                           what a sweep found damaged and computed anew

Every file is written under a temporary name, flushed to disk and renamed, so a reader sees all of it or nothing, and a
kill at any moment loses the cohort in work and no other. Nothing here relies on locks: two sweeps in one folder need no
more than names that only one process uses, and files that do not change once they have their name.
"""

from .history_files import HISTORY_FIELDS as HISTORY_FIELDS
from .merging import merge as merge
from .row_files import ROW_FIELDS as ROW_FIELDS
from .row_files import schema as schema
from .store import Store as Store
from .store import refuse_other_study as refuse_other_study
from .store import trained_in as trained_in
