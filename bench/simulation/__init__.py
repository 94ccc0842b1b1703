"""A sweep over GPUs that are not there: the real queue, a made-up place and a made-up clock."""

from __future__ import annotations

from .conditions import Conditions
from .policies import POLICIES, Policy
from .report import as_mapping, as_text
from .simulate import Simulated, simulate

__all__ = ["POLICIES", "Conditions", "Policy", "Simulated", "as_mapping", "as_text", "simulate"]
