"""Semi-supervised models (Kingma et al. 2014): M1, M2 and both stacked, told the class of some images.

Kingma, Rezende, Mohamed and Welling 2014, "Semi-supervised Learning with Deep Generative Models".
"""

from __future__ import annotations

from functools import partial

from ...models import Architecture, any_sides, sides_in_patches
from ...objectives import Objective
from ...run import Run
from ...tasks import Task
from ..member import Member
from .label_error import CLASSIFIERS, SCORES, label_error
from .labels import LABEL_OPTIONS, LABELS, NO_LABELS, PART_LABELLED, SHARE_OPTIONS
from .m1 import m1, m1_mlp, m1_patch
from .m1_m2 import m1_m2, m1_m2_mlp, m1_m2_patch, width_of_both
from .m2 import m2, m2_mlp, m2_patch, run_enumerated, width_with_class

PAPER = "Kingma et al. 2014"

ALPHA_OPTIONS = {"alpha": 0.1}
"""Of N, the weight of the classification loss; the paper's."""

STAGE_OPTIONS = {"first_stage": 0.5}
"""Of all steps, how many train M1."""

OBJECTIVES = {
    "m1": Objective(
        m1,
        "M1",
        None,
        PAPER,
        conditional=True,
        loss_options={**LABEL_OPTIONS, "classifier": tuple(CLASSIFIERS)},
        architectures=("m1_mlp", "m1_patch"),
        telling=NO_LABELS,
        tasks=("label_error",),
    ),
    "m2": Objective(
        m2,
        "M2",
        None,
        PAPER,
        conditional=True,
        loss_options={**LABEL_OPTIONS, **SHARE_OPTIONS, **ALPHA_OPTIONS},
        architectures=("m2_mlp", "m2_patch"),
        telling=LABELS,
        choosing=PART_LABELLED,
        forward=run_enumerated,
        codes="points",
        tasks=("label_error",),
    ),
    "m1_m2": Objective(
        m1_m2,
        "M1+M2",
        None,
        PAPER,
        conditional=True,
        loss_options={**LABEL_OPTIONS, **SHARE_OPTIONS, **ALPHA_OPTIONS, **STAGE_OPTIONS},
        architectures=("m1_m2_mlp", "m1_m2_patch"),
        telling=LABELS,
        choosing=PART_LABELLED,
        forward=run_enumerated,
        codes="points",
        tasks=("label_error",),
    ),
}

ARCHITECTURES = {
    "m1_patch": Architecture(m1_patch, "glorot", sides_in_patches, "M1: small net for CPUs", own=True),
    "m1_mlp": Architecture(
        m1_mlp, "glorot", any_sides, "M1: MLPs of Kingma et al. 2014, two layers of 600", own=True
    ),
    "m2_patch": Architecture(
        m2_patch, "glorot", sides_in_patches, "M2: small net for CPUs", width_with_class, own=True
    ),
    "m2_mlp": Architecture(
        m2_mlp,
        "glorot",
        any_sides,
        "M2: MLPs of Kingma et al. 2014, one layer of 500",
        width_with_class,
        own=True,
    ),
    "m1_m2_patch": Architecture(
        m1_m2_patch, "glorot", sides_in_patches, "M1+M2: small net for CPUs", width_of_both, own=True
    ),
    "m1_m2_mlp": Architecture(
        m1_m2_mlp, "glorot", any_sides, "M1+M2: MLPs of Kingma et al. 2014", width_of_both, own=True
    ),
}


def not_defined(run: Run) -> str | None:
    """Why a run's models have no label error, if they have none."""
    return None if run.objective in OBJECTIVES else "only models that are told some labels have a label error"


TASKS = {
    "label_error": Task(
        SCORES,
        partial(label_error, architectures=ARCHITECTURES),
        {"images": 5000, "steps": 500, "learning_rate": 1e-3},
        not_defined,
    )
}

MEMBER = Member(OBJECTIVES, ARCHITECTURES, TASKS)
