"""What a study says as a whole: do scores agree, do seeds find the same codes, what is collapsed in each model."""

from .agreement import Agreement as Agreement
from .agreement import agreement as agreement
from .collapse import StudyCollapse as StudyCollapse
from .collapse import study_collapse as study_collapse
from .udr import StudyUDR as StudyUDR
from .udr import study_udr as study_udr
