"""Which images does a model find foreign? Scores, kinds of outliers, and how well the one tells the other."""

from .complexity import complexity_nats
from .kinds import KINDS
from .scores import SCORES, outlier_scores
from .separation import outlier_aupr, outlier_auroc

__all__ = ["KINDS", "SCORES", "complexity_nats", "outlier_aupr", "outlier_auroc", "outlier_scores"]
