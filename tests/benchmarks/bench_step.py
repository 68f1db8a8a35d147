"""What a private step costs: book-keeping beside every mode of Opacus, as ratios to a plain step.

CPU time of one process on one thread, Adam and noise included; the plain step and all modes take
turns, so that a busy machine slows all of them. Each ratio is the median over rounds.

    python tests/benchmarks/bench_step.py --rounds 9
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import platform
import time
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from statistics import median

import torch
from opacus import GradSampleModule
from opacus.grad_sample import GradSampleModuleFastGradientClipping
from opacus.grad_sample.gsm_exp_weights import GradSampleModuleExpandedWeights
from opacus.optimizers import DPOptimizer, DPOptimizerFastGradientClipping
from opacus.utils.fast_gradient_clipping_utils import DPTensorFastGradientClipping
from opacus.validators import ModuleValidator
from torch import nn
from torch.nn import functional

from genaudit.training.dp.engine import BookKeepingEngine
from genaudit.training.dp.step import system_torch_rng

Step = Callable[[], None]

#: Network -> goal for book-keeping with the plain stream, and with the hardened one.
GOALS = {"MLP": (1.3, 1.7), "DCGAN": (1.8, None), "GRU": (1.8, None)}

NOISE = {"noise_multiplier": 1.0, "max_grad_norm": 1.0}


class Recurrent(nn.Module):
    """A discriminator that scores every step of a sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.gru, self.out = nn.GRU(8, 64, batch_first=True), nn.Linear(64, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Mean score of each sequence, shape (n, 1)."""
        return self.out(self.gru(x)[0]).mean(1)


def networks() -> Iterator[tuple[str, nn.Module, torch.Tensor]]:
    """The three discriminators, each with a batch."""
    leak = nn.LeakyReLU(0.2)
    yield "MLP", nn.Sequential(
        nn.Linear(64, 256), leak, nn.Linear(256, 256), leak, nn.Linear(256, 256), leak,
        nn.Linear(256, 1),
    ), torch.randn(512, 64)  # fmt: skip
    yield "DCGAN", nn.Sequential(
        nn.Conv2d(1, 32, 4, 2, 1), leak, nn.Conv2d(32, 64, 4, 2, 1), leak, nn.Flatten(),
        nn.Linear(64 * 49, 1),
    ), torch.randn(64, 1, 28, 28)  # fmt: skip
    yield "GRU", Recurrent(), torch.randn(128, 24, 8)


def labels(x: torch.Tensor) -> torch.Tensor:
    """Every other row is real, shape (n,)."""
    return (torch.arange(len(x)) % 2).float()


def losses(module: nn.Module, x: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Of a discriminator, shape (n,)."""
    logits = module(x).squeeze(1)
    return functional.binary_cross_entropy_with_logits(logits, real, reduction="none")


def adam(module: nn.Module) -> torch.optim.Adam:
    """The optimizer of every mode."""
    return torch.optim.Adam(module.parameters(), lr=1e-4, betas=(0.5, 0.9))


def plain(module: nn.Module, x: torch.Tensor) -> Step:
    """No privacy at all."""
    optimizer, real = adam(module), labels(x)

    def step() -> None:
        optimizer.zero_grad()
        losses(module, x, real).mean().backward()
        optimizer.step()

    return step


def book_keeping(module: nn.Module, x: torch.Tensor, *, hardened: bool = False) -> Step:
    """genaudit's, with noise from its own stream."""
    watched, optimizer = BookKeepingEngine().prepare(
        module, adam(module), **NOISE, divisor=len(x), noise=system_torch_rng("cpu"),
        hardened=hardened,
    )  # fmt: skip
    inner, real = watched._module, labels(x)

    def step() -> None:
        watched.clipped_sum(lambda rows, real: losses(inner, rows, real), (x, real))
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def by_gradients(module: nn.Module, x: torch.Tensor, kind: str) -> Step:
    """Opacus with a gradient for each sample: hooks, functorch, expanded weights."""
    if kind == "ew":
        watched = GradSampleModuleExpandedWeights(module, loss_reduction="sum")
    else:
        watched = GradSampleModule(
            module, loss_reduction="sum", force_functorch=kind == "functorch", strict=False
        )
    optimizer = DPOptimizer(adam(module), **NOISE, expected_batch_size=len(x))
    real = labels(x)

    def step() -> None:
        losses(watched, x, real).sum().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def by_norms(module: nn.Module, x: torch.Tensor, *, ghost: bool) -> Step:
    """Opacus with two backward passes: ghost clipping, or fast gradient clipping without it."""
    watched = GradSampleModuleFastGradientClipping(
        module, loss_reduction="sum", max_grad_norm=1.0, use_ghost_clipping=ghost
    )
    optimizer = DPOptimizerFastGradientClipping(
        adam(module), **NOISE, expected_batch_size=len(x), loss_reduction="sum"
    )
    real = labels(x)

    def step() -> None:
        loss = losses(watched, x, real)
        DPTensorFastGradientClipping(watched, optimizer, loss, "sum").backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


MODES: dict[str, Callable[[nn.Module, torch.Tensor], Step]] = {
    "book-keeping": book_keeping,
    "book-keeping, hardened": lambda m, x: book_keeping(m, x, hardened=True),
    "Opacus ghost": lambda m, x: by_norms(m, x, ghost=True),
    "Opacus hooks (its default)": lambda m, x: by_gradients(m, x, "hooks"),
    "Opacus ew": lambda m, x: by_gradients(m, x, "ew"),
    "Opacus functorch": lambda m, x: by_gradients(m, x, "functorch"),
    "Opacus fast clipping": lambda m, x: by_norms(m, x, ghost=False),
}


def made(name: str, module: nn.Module, x: torch.Tensor) -> Step:
    """A step of a mode on its own copy; Opacus needs its own GRU for that."""
    module = copy.deepcopy(module)
    if name.startswith("Opacus"):
        module = ModuleValidator.fix(module)
    return MODES[name](module, x)


def timed(step: Step, n: int) -> float:
    """CPU seconds of a step, the median of n."""
    times = []
    for _ in range(n):
        start = time.process_time()
        step()
        times.append(time.process_time() - start)
    return median(times)


def measure(module: nn.Module, x: torch.Tensor, rounds: int) -> dict[str, list[float] | str]:
    """Mode -> its ratios to the plain step, one for each round, or why it failed."""
    base = plain(copy.deepcopy(module), x)
    steps: dict[str, Step] = {}
    found: dict[str, list[float] | str] = {}
    for name in MODES:
        try:
            steps[name] = made(name, module, x)
            for _ in range(3):
                steps[name]()
        except Exception as error:  # a mode that cannot run a network is a result
            found[name] = f"{type(error).__name__}: {error}".splitlines()[0][:90]
            steps.pop(name, None)
    timed(base, 5)
    ratios: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            n = 15 if name.startswith("book") else 3
            before = timed(base, 10)
            cost = timed(step, n)
            ratios[name].append(2 * cost / (before + timed(base, 10)))
    return {**found, **ratios}


def shown(value: list[float] | str) -> str:
    """Median and range of the ratios."""
    if isinstance(value, str):
        return value
    return f"{median(value):.2f} ({min(value):.2f} to {max(value):.2f})"


def goal(network: str, mode: str, value: list[float] | str) -> str:
    """Whether the goal for a network and mode is met, in words; empty without a goal."""
    wanted = GOALS[network][mode.endswith("hardened")] if mode.startswith("book") else None
    if wanted is None or isinstance(value, str):
        return ""
    return f"≤ {wanted}: {'met' if median(value) <= wanted else 'missed'}"


def main() -> None:
    """Measure all modes of all networks and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--out", type=Path, default=Path("reports/benchmarks"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    warnings.simplefilter("ignore")
    found = {name: measure(m, x, options.rounds) for name, m, x in networks()}
    lines = [
        "# The cost of a private step", "", str(__doc__).split("\n\n    ")[0].strip(), "",
        f"Python {platform.python_version()}, torch {version('torch')}, Opacus "
        f"{version('opacus')}; load {os.getloadavg()[0]:.1f}; {options.rounds} rounds.", "",
        "| network | mode | ratio to the plain step, median (range) | goal |", "|---|---|---|---|",
    ]  # fmt: skip
    lines += [
        f"| {network} | {mode} | {shown(value)} | {goal(network, mode, value)} |"
        for network, modes in found.items()
        for mode, value in ((m, modes[m]) for m in MODES)
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "step.md").write_text(text, "utf-8")
    (options.out / "step.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
