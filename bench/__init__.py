"""Studies, training, evaluation, results: everything between a study file and a table.

from disbench.bench import sweep
rows = sweep("quick", out="runs/quick")     # a pandas.DataFrame, one row a model
print(evaluate(encoder, "dsprites"))        # every score of a model of your own, with intervals
"""

from .bad_input import BadInput as BadInput
from .own_model import Evaluation as Evaluation
from .own_model import evaluate as evaluate
from .study import Study as Study
from .study import load_study as load_study
from .sweep import sweep as sweep
