"""What a study says as a whole, and which method, strength and model to take."""

from .agreement import Agreement as Agreement
from .agreement import agreement as agreement
from .choice_transfer import choice_transfer as choice_transfer
from .collapse import StudyCollapse as StudyCollapse
from .collapse import study_collapse as study_collapse
from .comparison import comparison as comparison
from .findings import Findings as Findings
from .ranking_transfer import ranking_transfer as ranking_transfer
from .recommendation import recommendation as recommendation
from .selection import selection as selection
from .udr import StudyUDR as StudyUDR
from .udr import study_udr as study_udr
from .variance import variance_shares as variance_shares
