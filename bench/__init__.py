"""Studies, training, evaluation, results: everything between a study file and a table.

from disbench.bench import sweep
rows = sweep("quick", out="runs/quick")     # a pandas.DataFrame, one row a model
print(evaluate(encoder, "dsprites"))        # every score of a model of your own, with intervals
agreement(rows)[0].matrix()                 # rank correlation of every two scores over the models of a data set
outlier_scores(model, images)               # how foreign a model finds images; outlier_auroc compares two groups
study_udr("runs/quick").models              # which models' codes do other seeds find? no factors needed
study_collapse("runs/quick").models         # which latents are switched off, in each model
variance_shares(rows).table                 # how much of a score is objective, strength, seed
recommendation(rows, ["mig"]).table         # the best strength of each objective, and how sure that is
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from .bad_input import BadInput as BadInput

if TYPE_CHECKING:
    from .analysis import StudyCollapse as StudyCollapse
    from .analysis import StudyUDR as StudyUDR
    from .analysis import study_collapse as study_collapse
    from .analysis import study_udr as study_udr
    from .analysis.agreement import Agreement as Agreement
    from .analysis.agreement import agreement as agreement
    from .analysis.choice_transfer import choice_transfer as choice_transfer
    from .analysis.comparison import comparison as comparison
    from .analysis.ranking_transfer import ranking_transfer as ranking_transfer
    from .analysis.recommendation import recommendation as recommendation
    from .analysis.selection import selection as selection
    from .analysis.variance import variance_shares as variance_shares
    from .outliers import outlier_aupr as outlier_aupr
    from .outliers import outlier_auroc as outlier_auroc
    from .outliers import outlier_scores as outlier_scores
    from .own_model import Evaluation as Evaluation
    from .own_model import evaluate as evaluate
    from .study import Study as Study
    from .study_loading import load_study as load_study
    from .sweep import sweep as sweep

HOMES = {
    "Agreement": "analysis.agreement",
    "StudyCollapse": "analysis",
    "StudyUDR": "analysis",
    "agreement": "analysis.agreement",
    "choice_transfer": "analysis.choice_transfer",
    "comparison": "analysis.comparison",
    "ranking_transfer": "analysis.ranking_transfer",
    "recommendation": "analysis.recommendation",
    "selection": "analysis.selection",
    "variance_shares": "analysis.variance",
    "study_collapse": "analysis",
    "study_udr": "analysis",
    "outlier_aupr": "outliers",
    "outlier_auroc": "outliers",
    "outlier_scores": "outliers",
    "Evaluation": "own_model",
    "evaluate": "own_model",
    "Study": "study",
    "load_study": "study_loading",
    "sweep": "sweep",
}
"""The module of each name, imported when the name is asked for: `disbench table` should not wait for PyTorch."""


class Package(ModuleType):
    """The package, in which `sweep` is the function and not the module of that name."""

    def __getattr__(self, name: str) -> object:
        if name not in HOMES:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f".{HOMES[name]}", self.__name__), name)
        setattr(self, name, value)
        return value

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *HOMES})

    def __setattr__(self, name: str, value: object) -> None:
        # Whoever imports a module of the package binds its name here.
        is_home = isinstance(value, ModuleType) and HOMES.get(name) == name
        super().__setattr__(name, getattr(value, name) if is_home else value)


sys.modules[__name__].__class__ = Package
