"""Studies, training, evaluation, results: everything between a study file and a table.

from disbench.bench import sweep
rows = sweep("quick", out="runs/quick")     # a pandas.DataFrame, one row a model
"""

from .bad_input import BadInput as BadInput
from .study import Study as Study
from .study import load_study as load_study
from .sweep import sweep as sweep
