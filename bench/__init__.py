"""Studies, training, evaluation, results: everything between a study file and a table.

from disbench.bench import sweep
rows = sweep("quick", out="runs/quick")     # a pandas.DataFrame, one row a model
print(evaluate(encoder, "dsprites"))        # every score of a model of your own, with intervals
agreement(rows)[0].matrix()                 # rank correlation of every two scores over the models of a data set
study_udr("runs/quick").models              # which models' codes do other seeds find? no factors needed
study_collapse("runs/quick").models         # which latents are switched off, in each model
"""

from .analysis import StudyCollapse as StudyCollapse
from .analysis import StudyUDR as StudyUDR
from .analysis import study_collapse as study_collapse
from .analysis import study_udr as study_udr
from .analysis.agreement import Agreement as Agreement
from .analysis.agreement import agreement as agreement
from .bad_input import BadInput as BadInput
from .own_model import Evaluation as Evaluation
from .own_model import evaluate as evaluate
from .study import Study as Study
from .study import load_study as load_study
from .sweep import sweep as sweep
