"""What training changes: the weights of K models, of their helpers, and Adam's moments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .catalogue import ARCHITECTURES, OBJECTIVES
from .models import initial_parameters
from .objectives.objective import ADAM_EPS, WEIGHT_DECAY
from .run import Cohort, Run
from .run_model import Parameters, build_model, initial_buffers

USUAL_EPS = 1e-8

HELPER_ORDINAL = 1000
"""Of a helper's first parameter in the role `init`: no model has so many of its own."""


@dataclass(frozen=True)
class TrainingState:
    """Weights [K, ...] and the Adam that moves them."""

    model: Parameters
    helper: Parameters
    """Of the objective's helper network; empty where there is none."""
    optimiser: torch.optim.Optimizer
    buffers: Parameters
    """Of the models, [K, ...]: what their forward pass keeps, as the running statistics of a norm."""

    @classmethod
    def initial(cls, cohort: Cohort, device: torch.device, dtype: torch.dtype) -> TrainingState:
        """The state before the first step; model k depends on the seed of run k alone."""
        run, seeds = cohort.shared, [r.seed for r in cohort.runs]

        def drawn(module: nn.Module, scheme: str, first: int = 0) -> Parameters:
            stacked = initial_parameters(module, scheme, seeds, device, first=first)
            return {name: laid_out(value.to(dtype)).requires_grad_() for name, value in stacked.items()}

        model = drawn(build_model(run), ARCHITECTURES[run.architecture].initialisation)
        groups = [{"params": list(model.values()), "lr": run.learning_rate}]
        helper: Parameters = {}
        if module := helper_module(cohort):
            helper = drawn(module, "glorot", HELPER_ORDINAL)
            recipe = OBJECTIVES[run.objective].helper
            assert recipe is not None
            rate = run.options["helper_learning_rate"]
            groups.append({"params": list(helper.values()), "lr": rate, "betas": recipe.betas})
        buffers = {
            # Not expanded and cloned: a scalar of one model would keep a stride of 0, which no checkpoint can read.
            name: value.to(device, dtype).repeat(len(seeds), *(1,) * value.dim())
            for name, value in initial_buffers(run).items()
        }
        return cls(model, helper, optimiser_of(run, groups, device), buffers)

    def weights(self) -> Parameters:
        """All weights by name, the helper's with a prefix."""
        return {**self.model, **{f"helper.{name}": value for name, value in self.helper.items()}}

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a resumed training needs, by name; the tensors themselves, not copies."""
        found = {f"weight/{name}": value.detach() for name, value in self.weights().items()}
        found |= {f"buffer/{name}": value for name, value in self.buffers.items()}
        for name, value in self.weights().items():
            found |= {
                f"{part}/{name}": part_value for part, part_value in self.optimiser.state[value].items()
            }
        return found

    def fits(self, tensors: Mapping[str, Tensor]) -> bool:
        """Whether these are what `tensors()` of such a state can be, moments of Adam included."""
        for name, value in self.weights().items():
            parts = [tensors.get(f"{part}/{name}") for part in ("weight", "exp_avg", "exp_avg_sq")]
            if f"step/{name}" not in tensors or any(
                part is None or part.shape != value.shape or part.dtype != value.dtype for part in parts
            ):
                return False
        return all(
            (kept := tensors.get(f"buffer/{name}")) is not None
            and kept.shape == value.shape
            and kept.dtype == value.dtype
            for name, value in self.buffers.items()
        )

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Go back to what `tensors()` was at some time; none of Adam's moments means before the first step."""
        with torch.no_grad():
            for name, value in self.buffers.items():
                value.copy_(tensors[f"buffer/{name}"])
            for name, value in self.weights().items():
                value.copy_(tensors[f"weight/{name}"])
                for part in ("step", "exp_avg", "exp_avg_sq"):
                    present = self.optimiser.state[value].get(part)
                    source = tensors.get(f"{part}/{name}")
                    if present is None and source is not None:
                        # A step is a scalar, a moment has the layout of its weights.
                        present = torch.empty_like(source if part == "step" else value, requires_grad=False)
                        present = present.to(value.device)
                        self.optimiser.state[value][part] = present
                    if present is not None:
                        present.zero_() if source is None else present.copy_(source)

    def finished(self) -> Parameters:
        """The models' weights, NaN for a model whose gradient overflowed: Adam then stands still and looks healthy."""

        def whole(value: Tensor) -> Tensor:
            second_moment = self.optimiser.state[value]["exp_avg_sq"]
            lost = ~torch.isfinite(second_moment.flatten(1)).all(dim=1)
            return value.detach().masked_fill(lost.reshape(-1, *(1,) * (value.dim() - 1)), torch.nan)

        return {**{name: whole(value) for name, value in self.model.items()}, **self.buffers}


def optimiser_of(run: Run, groups: list[dict[str, object]], device: torch.device) -> torch.optim.Optimizer:
    """Adam; with decoupled decay of weights where the objective has the option (Loshchilov and Hutter 2019)."""
    on_cuda, eps = device.type == "cuda", float(run.options.get(ADAM_EPS, USUAL_EPS))
    if WEIGHT_DECAY in run.options:
        decay = float(run.options[WEIGHT_DECAY])
        return torch.optim.AdamW(groups, eps=eps, weight_decay=decay, fused=True, capturable=on_cuda)
    return torch.optim.Adam(groups, eps=eps, fused=True, capturable=on_cuda)


def helper_module(cohort: Cohort) -> nn.Module | None:
    """The helper network of one run, on the meta device, if its objective has one."""
    helper = OBJECTIVES[cohort.shared.objective].helper
    if helper is None:
        return None
    with torch.device("meta"):
        return helper.build(cohort.shared.latents)


def laid_out(weights: Tensor) -> Tensor:
    """Weights [K, ...] in the order in memory that is fastest: channels last for one convolution on a CPU."""
    if weights.device.type == "cpu" and len(weights) == 1 and weights.dim() == 5:
        return weights[0].contiguous(memory_format=torch.channels_last)[None]
    return weights
