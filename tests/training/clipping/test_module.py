"""What a watched module does beside the common layers: fallbacks, slopes, broken rows, refusals."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable
from contextlib import nullcontext

import pytest
import torch
from naive import clipped_sum, far, gradients
from torch import nn

from genaudit.errors import GenauditWarning, OptionError
from genaudit.training.dp.clipping.factor import Outer
from genaudit.training.dp.clipping.module import BookKeepingModule
from genaudit.training.dp.clipping.whole import slope

BOUND = 0.05


class _Scaled(nn.Module):
    """A parameter of no layer, before a layer that has a rule."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.randn(5))
        self.linear = nn.Linear(5, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x * self.scale.exp())


class _Tempered(nn.Module):
    """A parameter that is a single number, of shape ()."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.temperature = nn.Linear(5, 4), nn.Parameter(torch.tensor(0.5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x) * self.temperature


class _Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(5, 5), nn.Linear(5, 5)
        self.two.weight = self.one.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.two(torch.tanh(self.one(x)))


class _Twice(nn.Module):
    """One layer that is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(5, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(torch.tanh(self.linear(x)))


class _Added(nn.Module):
    """Two layers whose outputs are added up: one gradient reaches both."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.out = nn.Linear(5, 4), nn.Linear(5, 4), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(torch.tanh(self.one(x) + self.two(x)))


class _Halves(nn.Module):
    """Two outputs, the second unused at times; one layer that no output needs."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.idle = nn.Linear(5, 3), nn.Linear(5, 2), nn.Linear(5, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.idle(x)
        return torch.cat([self.one(x), self.two(x)], 1)[:, :4]


@pytest.fixture(autouse=True)
def _weights() -> None:
    """The same weights each time: some may nearly hide what others show."""
    torch.manual_seed(0)


def _rows(n: int = 6, *shape: int) -> torch.Tensor:
    return torch.randn(n, *(shape or (5,)), generator=torch.Generator().manual_seed(n))


def _check(module: nn.Module, x: torch.Tensor, cap: int = 1) -> dict[str, str]:
    def losses(rows: torch.Tensor) -> torch.Tensor:
        return torch.sin(3 * inner(rows).flatten(1)).sum(1)

    watched = BookKeepingModule(module, max_grad_norm=BOUND)
    inner = watched._module
    watched.clipped_sum(losses, (x,), cap=cap)
    found = {n: p.grad for n, p in inner.named_parameters()}
    assert far(found, clipped_sum(inner, losses, (x,), BOUND, cap)) < 1e-5
    return watched.tape.kinds


@pytest.mark.parametrize("cap", [1, 3])
def test_what_no_rule_knows_falls_back_alone(cap: int) -> None:
    """A layer without a rule is run by torch.func; the others keep their rules."""
    module = nn.Sequential(nn.Linear(5, 4), nn.RMSNorm(4), nn.Linear(4, 2))

    assert _check(module, _rows(), cap) == {"0": "rule", "1": "local", "2": "rule"}
    deep = nn.Sequential(nn.Conv3d(1, 2, 2))
    assert _check(deep, _rows(6, 1, 3, 3, 3), cap) == {"0": "local"}


@pytest.mark.parametrize("cap", [1, 2])
@pytest.mark.parametrize("module", [_Scaled, _Tempered, _Tied, _Twice, _Added, _Halves])
def test_bare_shared_and_repeated_parameters(module: type[nn.Module], cap: int) -> None:
    """Parameters of no layer, of two layers, of one used twice, and unused ones are exact."""
    torch.manual_seed(0)

    kinds = _check(module(), _rows(), cap)

    assert kinds[""] == "local" if module in (_Scaled, _Tempered, _Tied) else "" not in kinds


def test_frozen_parameters_are_left_alone() -> None:
    """A frozen weight gets no gradient and counts in no norm."""
    module = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 2))
    module[0].weight.requires_grad_(False)
    watched = BookKeepingModule(module, max_grad_norm=BOUND)

    watched.clipped_sum(lambda x: module(x).sum(1), (_rows(),))

    assert module[0].weight.grad is None
    wanted = clipped_sum(module, lambda x: module(x).sum(1), (_rows(),), BOUND)
    named = {n: p.grad for n, p in module.named_parameters() if p.requires_grad}
    assert far(named, wanted) < 1e-5


def test_padding_has_no_gradient() -> None:
    """The row of an embedding that stands for padding stays, as in torch (Opacus gives it one)."""
    module = nn.Sequential(nn.Embedding(4, 3, padding_idx=0), nn.Linear(3, 2))

    _check(module, torch.tensor([[0, 1, 1], [2, 0, 3], [0, 0, 0]]))

    assert not module[0].weight.grad[0].any()


def test_sparse_embeddings_are_read_like_others() -> None:
    """A sparse embedding, whose ordinary gradient is sparse, is watched and compared too."""
    module = nn.Sequential(nn.Embedding(4, 3, sparse=True), nn.Linear(3, 2))
    watched = BookKeepingModule(module, max_grad_norm=1e6)
    x = torch.tensor([[0, 1, 1], [2, 0, 3]])

    watched.clipped_sum(lambda r: module(r).flatten(1).sum(1), (x,))
    found = module[0].weight.grad.clone()

    module.zero_grad()
    module(x).sum().backward()
    assert torch.allclose(found, module[0].weight.grad.to_dense(), atol=1e-5)


def test_padding_modes_are_seen() -> None:
    """A convolution padded with its own edge is exact (Opacus takes the edge for zeros)."""
    for mode in ("circular", "reflect", "replicate"):
        _check(nn.Sequential(nn.Conv2d(2, 3, 3, padding=1, padding_mode=mode)), _rows(4, 2, 6, 6))


def _critic() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 1))


def test_gradient_penalty_is_exact() -> None:
    """The penalty of WGAN-GP inside the loss is clipped with it, as a one-row loop does."""
    critic = _critic()

    def losses(x: torch.Tensor) -> torch.Tensor:
        return critic(x).squeeze(1) + 10 * (slope(critic, x).norm(dim=1) - 1).square()

    def by_autograd(x: torch.Tensor) -> torch.Tensor:
        x = x.clone().requires_grad_()
        out = critic(x).squeeze(1)
        (at,) = torch.autograd.grad(out.sum(), x, create_graph=True)
        return out + 10 * (at.norm(dim=1) - 1).square()

    watched = BookKeepingModule(critic, max_grad_norm=BOUND)
    watched.clipped_sum(losses, (_rows(),))
    found = {n: p.grad.clone() for n, p in critic.named_parameters()}

    assert far(found, clipped_sum(critic, by_autograd, (_rows(),), BOUND)) < 1e-5
    with pytest.raises(OptionError, match=r"torch\.func"):
        watched.clipped_sum(by_autograd, (_rows(),))
    with pytest.raises(OptionError, match="slope"):
        watched.finish(by_autograd(_rows()) + 0 * watched(_rows()).squeeze(1) + losses(_rows()))


def test_broken_rows_are_left_out() -> None:
    """NaN and infinite rows leave no trace in the sum, and their unit's norm says why."""
    critic = _critic()
    watched = BookKeepingModule(critic, max_grad_norm=BOUND)
    x = _rows()
    broken = torch.cat([torch.full((1, 5), float("nan")), x, torch.full((1, 5), float("inf"))])

    norms = watched.clipped_sum(lambda r: critic(r).squeeze(1), (broken,))
    found = {n: p.grad.clone() for n, p in critic.named_parameters()}
    watched.clipped_sum(lambda r: critic(r).squeeze(1), (x,))

    assert torch.isfinite(norms).tolist()[1:-1] == [True] * 6
    assert far(found, {n: p.grad for n, p in critic.named_parameters()}) < 1e-6


def test_an_empty_batch_has_a_gradient_of_zero() -> None:
    """Nothing to clip leaves zeros, to which noise can be added."""
    critic = _critic()
    watched = BookKeepingModule(critic, max_grad_norm=BOUND)

    norms = watched.clipped_sum(lambda r: critic(r).squeeze(1), (_rows(6)[:0],))

    assert len(norms) == 0
    assert all(not p.grad.any() for p in critic.parameters())


def test_forward_and_finish() -> None:
    """The module can be called and its losses finished later, in the order of Opacus's loop."""
    critic = _critic()
    watched = BookKeepingModule(critic, max_grad_norm=BOUND)

    watched.finish(watched(_rows()).squeeze(1))
    found = {n: p.grad.clone() for n, p in critic.named_parameters()}

    wanted = clipped_sum(critic, lambda r: critic(r).squeeze(1), (_rows(),), BOUND)
    assert far(found, wanted) < 1e-5


def test_watching_ends() -> None:
    """Off the tape, and after cleanup, a module trains like any other."""
    critic = _critic()
    twin = copy.deepcopy(critic)
    watched = BookKeepingModule(critic, max_grad_norm=BOUND)
    watched.clipped_sum(lambda r: critic(r).squeeze(1), (_rows(),))
    watched.cleanup()
    critic.zero_grad()

    critic(_rows()).sum().backward()
    twin(_rows()).sum().backward()

    assert all(torch.equal(a.grad, b.grad)
               for a, b in zip(critic.parameters(), twin.parameters(), strict=True))  # fmt: skip
    assert not any(m._forward_hooks for m in critic.modules())


class _TimeFirst(nn.Module):
    """Mixes up records and time."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(5, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x.transpose(0, 1)).transpose(0, 1)


def test_misuse_is_a_sentence() -> None:
    """One loss for all rows, a wrong cap, a wrong setting: each named."""
    critic = _critic()
    watched = BookKeepingModule(critic)
    with pytest.raises(OptionError, match="one loss for each row"):
        watched.clipped_sum(lambda x: critic(x).sum(), (_rows(),))
    with pytest.raises(OptionError, match="multiple of 4"):
        watched.clipped_sum(lambda x: critic(x).squeeze(1), (_rows(),), cap=4)
    for cap in (0, -1):
        with pytest.raises(OptionError, match="to be 1 or more"):
            watched.clipped_sum(lambda x: critic(x).squeeze(1), (_rows(),), cap=cap)
    with pytest.raises(OptionError, match="a module with parameters"):
        BookKeepingModule(nn.ReLU())
    with pytest.raises(OptionError, match="not watched yet"):
        BookKeepingModule(watched)
    for kwargs in ({"batch_first": False}, {"max_grad_norm": 0.0}):
        with pytest.raises(OptionError, match="Expected"):
            BookKeepingModule(_critic(), **kwargs)


class _Noisy(_Scaled):
    """Dropout beside a parameter of no layer."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(super().forward(x), 0.5)


def test_dropout_beside_a_bare_parameter() -> None:
    """Each record is run alone with chance of its own: what is summed is clipped, and varies."""
    module = _Noisy()
    watched = BookKeepingModule(module, max_grad_norm=BOUND)
    sums = []
    for _ in range(10):
        with _warned(bool(sums)):
            watched.clipped_sum(lambda x: module(x).sum(1), (_rows(1),))
        sums.append(torch.cat([p.grad.flatten() for p in module.parameters()]))

    assert all(s.norm() <= BOUND * 1.001 for s in sums)
    assert not all(torch.equal(s, sums[0]) for s in sums)


class _Borrowed(nn.Module):
    """Uses the weight of a layer without calling it."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.out = nn.Linear(5, 4), nn.Linear(4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(torch.tanh(self.table(x)), self.table.weight.T) + self.out.bias


class _Parts(nn.Module):
    """Has a parameter of its own and returns a list."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(5))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        return [x * self.scale]


class _Cell(nn.Module):
    """A cell that takes a tuple, called step by step."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(5, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state = (torch.zeros_like(x), torch.zeros_like(x))
        for _ in range(3):
            state = self.cell(x, state)
        return state[0]


class _List(nn.Module):
    """Parameters in a list, which nobody calls."""

    def __init__(self) -> None:
        super().__init__()
        self.many = nn.ParameterList([torch.randn(5), torch.randn(5)])
        self.linear = nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x * self.many[0] + self.many[1])


class _Named(nn.Module):
    """Its layer is called by keyword."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(input=x)


class _Learned(nn.Module):
    """A recurrent layer that starts where it has learned to, with a tied way back."""

    def __init__(self) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.randn(1, 1, 5))
        self.gru, self.out = nn.GRU(5, 5, batch_first=True), nn.Linear(5, 5)
        self.out.weight = self.gru.weight_hh_l0 = nn.Parameter(torch.randn(15, 5))
        self.out.bias = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        steps = torch.stack([x, 2 * x], 1)
        hidden = self.gru(steps, self.start.expand(1, len(x), 5).contiguous())[0]
        return self.out(hidden[:, -1])


def _warned(not_: bool = False):
    if not_:
        return nullcontext()
    return pytest.warns(GenauditWarning, match="each record is run alone")


@pytest.mark.parametrize("cap", [1, 2])
@pytest.mark.parametrize("kind", [_Borrowed, _Parts, _Cell, _List, _Named, _Learned, _TimeFirst])
def test_what_no_hook_sees_is_run_record_by_record(kind: type[nn.Module], cap: int) -> None:
    """Weights used where no hook is get their exact gradients, from the first pass on."""
    torch.manual_seed(0)
    module = kind()
    watched = BookKeepingModule(module, max_grad_norm=BOUND)
    inner = watched._module
    x = _rows(6, 3, 5) if kind is _TimeFirst else _rows()

    def losses(rows: torch.Tensor) -> torch.Tensor:
        out = inner(rows)
        return torch.sin(3 * (out[0] if isinstance(out, list) else out).flatten(1)).sum(1)

    for again in (False, True):
        with _warned(again or kind is _Learned):
            watched.clipped_sum(losses, (x,), cap=cap)
        found = {n: p.grad for n, p in inner.named_parameters()}
        assert far(found, clipped_sum(inner, losses, (x,), BOUND, cap)) < 1e-5
    # Called like Opacus's there is no loss that could be run anew.
    if kind is _Borrowed:
        with pytest.raises(OptionError, match=r"'table\.weight'.*outside of its own layer"):
            watched.finish(watched(x).sum(1))


@pytest.mark.parametrize("first", [float("nan"), float("inf"), 0.0, 1e-4])
def test_a_first_batch_that_tells_nothing(first: float) -> None:
    """Broken, empty or tiny records at first do not hide a hole from later passes."""
    borrowed = _Borrowed()
    torch.nn.init.zeros_(borrowed.table.bias)
    watched = BookKeepingModule(borrowed)
    x = _rows()
    x[0] = first

    def losses(rows: torch.Tensor) -> torch.Tensor:
        return borrowed(rows).sum(1)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        watched.clipped_sum(losses, (x if first != 0 else 0 * x,))
        watched.clipped_sum(losses, (_rows(),))

    found = {n: p.grad for n, p in borrowed.named_parameters()}
    assert far(found, clipped_sum(borrowed, losses, (_rows(),), 1.0, 1)) < 1e-5


def _batch_normed(x: torch.Tensor) -> torch.Tensor:
    return nn.functional.batch_norm(x, None, None, training=True)


def _attended(x: torch.Tensor) -> torch.Tensor:
    return torch.softmax(x @ x.T, 1) @ x


def _with_spread(x: torch.Tensor) -> torch.Tensor:
    return x + x.std(0).mean()


def _by_neighbour(x: torch.Tensor) -> torch.Tensor:
    return x + x.roll(1, 0)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("mix", [_batch_normed, _attended, _with_spread, _by_neighbour])
def test_records_that_meet_are_refused(
    mix: Callable[[torch.Tensor], torch.Tensor], first: bool
) -> None:
    """Whatever mixes the records of a batch is refused, before the first layer or behind it."""

    class _Mixing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(5, 5), nn.Linear(5, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.two(self.one(mix(x)) if first else mix(self.one(x)))

    module = _Mixing()
    where = "Before the first layer" if first else "Behind layer 'one'"
    with pytest.raises(OptionError, match=f"{where} the loss of one record depends on other"):
        BookKeepingModule(module).clipped_sum(lambda x: module(x).squeeze(1), (_rows(),))


def test_a_position_is_no_record() -> None:
    """A layer that sees positions, as many as there are records, is not taken for one of them."""

    class _Placed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.place, self.linear = nn.Embedding(6, 5), nn.Linear(5, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.linear(torch.tanh(x + self.place(torch.arange(6))))

    module, x = _Placed(), _rows(6, 6, 5)

    def losses(rows: torch.Tensor) -> torch.Tensor:
        return module(rows).sum((1, 2))

    with pytest.warns(GenauditWarning, match="Behind layer 'place' there are as many places"):
        BookKeepingModule(module).clipped_sum(losses, (x,))
    found = {n: p.grad for n, p in module.named_parameters()}
    assert far(found, clipped_sum(module, losses, (x,), 1.0)) < 1e-5


def _less_mean(x: torch.Tensor) -> torch.Tensor:
    return x - x.detach().mean(0)


def _by_spread(x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        spread = x.std(0)
    return x / spread


def _taken(watched: BookKeepingModule, x: torch.Tensor, by_forward: bool) -> None:
    """One pass, by `forward` and `finish` or by `clipped_sum`."""
    if by_forward:
        watched.finish(watched(x).flatten())
    else:
        watched.clipped_sum(lambda rows: watched._module(rows).flatten(), (x,))


class _Around(nn.Module):
    """A layer with something before it and behind it."""

    def __init__(self, before: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.before, self.drop, self.linear = before, nn.Dropout(0.5), nn.Linear(5, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(self.drop(self.before(x)))


@pytest.mark.parametrize("mix", [_less_mean, _by_spread, _batch_normed, _by_neighbour])
@pytest.mark.parametrize("by_forward", [True, False])
def test_records_that_meet_without_a_gradient(
    mix: Callable[[torch.Tensor], torch.Tensor], by_forward: bool
) -> None:
    """Statistics of the batch are seen where no gradient flows, beside dropout, on both ways."""
    module = _Around(mix)
    watched = BookKeepingModule(module)
    with pytest.raises(OptionError, match="depends on other records"):
        _taken(watched, _rows(20), by_forward)


class _TiedByMean(nn.Module):
    """A weight outside of its layer, so that rows are run alone; and a statistic of the batch."""

    def __init__(self, mixes: bool) -> None:
        super().__init__()
        self.linear, self.out, self.mixes = nn.Linear(5, 5), nn.Linear(5, 1), mixes

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.tanh(self.linear(x)) @ self.linear.weight
        return self.out(h / (1 + h.detach().mean(0).abs()) if self.mixes else h).flatten()


@pytest.mark.filterwarnings("ignore")
def test_rows_that_are_run_alone_are_held_together() -> None:
    """Mixing is looked for there too, and what is not finite takes no other record with it."""
    mixing = BookKeepingModule(_TiedByMean(mixes=True))
    with pytest.raises(OptionError, match="depends on other records"):
        mixing.clipped_sum(mixing._module, (_rows(20),))

    watched = BookKeepingModule(_TiedByMean(mixes=False), max_grad_norm=1e-2)
    x = _rows(20)
    watched.clipped_sum(watched._module, (x,))
    # From now on a batch in which one record spoils the losses of all, unseen.
    watched._module.mixes, watched.tape._witness.passes = True, 20
    x[0] = math.nan
    norms = watched.clipped_sum(watched._module, (x,))
    assert torch.isfinite(norms).sum() == 19


class _Swapped(nn.Module):
    """Halves change places inside, and back: a record's result is its own."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(5, 8), nn.Linear(8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        half = len(x) // 2
        hidden = torch.tanh(self.one(x.roll(half, 0)))
        return self.two(hidden.roll(-half, 0))


@pytest.mark.parametrize("n", [8, 512])
def test_records_that_change_places_are_run_alone(n: int) -> None:
    """Gradients that stand at each other's places have the right sum, and wrong norms."""
    module, x = _Swapped(), _rows(n)
    x[0] *= 1000

    def losses(rows: torch.Tensor) -> torch.Tensor:
        return module(rows).squeeze(1).square()

    with _warned():
        BookKeepingModule(module, max_grad_norm=BOUND).clipped_sum(losses, (x,))
    found = {n: p.grad for n, p in module.named_parameters()}
    assert far(found, clipped_sum(module, losses, (x,), BOUND)) < 1e-5


def _by_partner(x: torch.Tensor) -> torch.Tensor:
    one, two = x.chunk(2)
    return torch.cat([one - two, two - one])


@pytest.mark.parametrize("mix", [_by_partner, lambda x: _by_partner(x.detach()) + 0 * x])
@pytest.mark.parametrize("n", [32, 512])
def test_pairs_are_seen_wherever_they_stand(
    mix: Callable[[torch.Tensor], torch.Tensor], n: int
) -> None:
    """Records that meet at a distance of half a batch are refused at once."""
    module = _Around(mix).eval()
    with pytest.raises(OptionError, match="depends on other records"):
        _taken(BookKeepingModule(module), _rows(n), by_forward=False)


def _small_residual(noise: float) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    torch.manual_seed(4)
    module = nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1), nn.Flatten(),
        nn.Linear(2048, 1),
    )  # fmt: skip
    x = torch.randn(50, 3, 8, 8)
    with torch.no_grad():
        module[4].bias.fill_(1.0)
        return module, x, module(x).squeeze(1) + noise * torch.randn(50)


@pytest.mark.parametrize("noise", [1e-3, 1e-4])
def test_small_residuals_of_large_outputs_are_no_mixing(noise: float) -> None:
    """A loss near 0 is as rounded as the outputs whose difference it is."""
    module, x, y = _small_residual(noise)
    watched = BookKeepingModule(module)
    weights = [p.clone() for p in module.parameters()]
    for _ in range(8):
        watched.clipped_sum(lambda a, b: (module(a).squeeze(1) - b).square(), (x, y))
    assert all(torch.equal(a, b) for a, b in zip(weights, module.parameters(), strict=True))


def test_mixing_beside_small_residuals_is_seen() -> None:
    """What rounding may do does not cover a mean over the batch."""
    module, x, y = _small_residual(1e-3)

    def losses(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        out = module(a).squeeze(1)
        return (out - b + 0.01 * out.detach().roll(1)).square()

    with pytest.raises(OptionError, match="depends on other records"):
        BookKeepingModule(module).clipped_sum(losses, (x, y))


class _Weighed(nn.Module):
    """Looks at the number of records, at places, or at what it saw before."""

    def __init__(self, by: str) -> None:
        super().__init__()
        self.by, self.linear, self.mean = by, nn.Linear(5, 1, bias=False), torch.zeros(5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        match self.by:
            case "number":
                return self.linear(x) * 3 / len(x)
            case "place":
                return self.linear(x) * (1 - 2.0 * (torch.arange(len(x)) % 2))[:, None]
            case _:
                self.mean = 0.9 * self.mean + 0.1 * x.detach().mean(0)
                return self.linear(x - self.mean)


@pytest.mark.parametrize("by", ["number", "place"])
@pytest.mark.parametrize("by_forward", [True, False])
def test_number_and_place_are_no_matter_of_a_record(by: str, by_forward: bool) -> None:
    """A loss that goes by how many records there are, or by a record's place, is refused."""
    for seed in range(15):  # by chance, few records among those kept are put elsewhere
        torch.manual_seed(seed)
        watched = BookKeepingModule(_Weighed(by))
        with pytest.raises(OptionError, match="their number or its place"):
            _taken(watched, _rows(20), by_forward)


def test_what_cannot_be_tried_is_warned_of() -> None:
    """Chance of its own, and a memory, leave it open whether records are kept apart."""
    critic, rng = _critic(), torch.Generator().manual_seed(0)
    remembers = _Weighed("memory")
    for module, losses in (
        (critic, lambda x: critic(x + torch.randn(x.shape, generator=rng)).squeeze(1)),
        (critic, lambda x: critic(torch.distributions.Gamma(x.abs(), 1.0).sample()).squeeze(1)),
        (remembers, lambda x: remembers(x).squeeze(1)),
    ):
        watched = BookKeepingModule(module)
        with pytest.warns(GenauditWarning, match="cannot be tried whether records are kept apart"):
            watched.clipped_sum(losses, (_rows(20),))
        watched.clipped_sum(losses, (_rows(20),))  # said once


class _Coin(nn.Module):
    """One coin decides for all records of a batch whether a layer is left out."""

    def __init__(self, chance: float) -> None:
        super().__init__()
        self.chance, self.one, self.two = chance, nn.Linear(5, 5), nn.Linear(5, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.two(x if torch.rand(1) < self.chance else x + torch.tanh(self.one(x)))


@pytest.mark.parametrize("chance", [0.05, 0.5, 0.95])
def test_a_coin_for_the_whole_batch_is_no_mixing(chance: float) -> None:
    """Stochastic depth falls alike a few times, and is not taken for records that meet."""
    torch.manual_seed(0)
    for _ in range(30):
        module = _Coin(chance)
        watched = BookKeepingModule(module)
        for _ in range(3):
            watched.clipped_sum(lambda x, m=module: m(x).squeeze(1), (_rows(),))


def test_records_of_a_person_may_meet() -> None:
    """A mean over a person's own rows is no matter of others: the clip is on persons."""
    module = nn.Linear(5, 1)

    def losses(x: torch.Tensor) -> torch.Tensor:
        own = x.reshape(-1, 4, 5)
        return module((own - own.mean(1, keepdim=True)).reshape(-1, 5)).squeeze(1).square()

    x = _rows(20)
    BookKeepingModule(module, max_grad_norm=BOUND).clipped_sum(losses, (x,), cap=4)
    found = {n: p.grad for n, p in module.named_parameters()}
    wanted = clipped_sum(module, losses, (x,), BOUND, 4)
    assert far(found, wanted) < 1e-5
    with pytest.raises(OptionError, match="depends on other records"):
        BookKeepingModule(module).clipped_sum(losses, (x,))


def test_a_normed_gradient_is_that_of_one_record() -> None:
    """Records that meet on the way back alone are seen as well, and then run alone."""
    module = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 1))

    def losses(x: torch.Tensor) -> torch.Tensor:
        hidden = module[1](module[0](x))
        hidden.register_hook(lambda g: g / (g.norm() + 1e-12))
        return module[2](hidden).squeeze(1)

    with pytest.warns(GenauditWarning, match="On the way back to layer '0'"):
        BookKeepingModule(module, max_grad_norm=BOUND).clipped_sum(losses, (_rows(20),))
    found = {n: p.grad for n, p in module.named_parameters()}
    assert far(found, clipped_sum(module, losses, (_rows(20),), BOUND)) < 1e-5


class _First(nn.Module):
    """Starts at the statistics of its first batch (ActNorm)."""

    def __init__(self) -> None:
        super().__init__()
        self.place, self.linear, self.begun = nn.Parameter(torch.zeros(5)), nn.Linear(5, 1), False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.begun:
            self.place.data.copy_(-x.detach().mean(0))
            self.begun = True
        return self.linear(x + self.place)


def test_what_is_written_beside_the_graph_is_seen() -> None:
    """Writing through `.data` is refused, and undone."""
    module = _First()
    with pytest.raises(OptionError, match="'place' is overwritten"):
        BookKeepingModule(module).clipped_sum(lambda x: module(x).squeeze(1), (_rows(20),))
    assert not module.place.any()


class _ByName(nn.Module):
    """Calls its layer by keyword, so that rows are run alone, and fills a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(5, 1)
        self.register_buffer("mean", torch.zeros(5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if len(x) > 1:
            self.mean.lerp_(x.detach().mean(0), 0.1)
        return self.linear(input=x - self.mean)


def test_a_buffer_is_seen_where_rows_are_alone() -> None:
    """The way round hooks is watched too."""
    module = _ByName()
    with pytest.raises(OptionError, match="'mean' is overwritten"):
        BookKeepingModule(module).clipped_sum(lambda x: module(x).squeeze(1), (_rows(20),))


def test_a_broken_row_in_every_batch_hides_nothing() -> None:
    """The others are looked at: a weight by another way than its module is still refused."""
    tied, x = _TiedByList(), _rows(20)
    x[3] = float("nan")
    watched = BookKeepingModule(tied)
    with pytest.raises(OptionError, match="by a reference"):
        watched.clipped_sum(lambda rows: tied(rows).square().sum(1), (x,))
    critic = _critic()
    watched = BookKeepingModule(critic)
    for _ in range(12):
        watched.clipped_sum(lambda rows: critic(rows).squeeze(1), (x,))
    assert not watched.tape.examines


def test_no_record_stays_behind() -> None:
    """After slopes and calls by keyword nothing leads back to records, and the module copies."""
    critic, named = _critic(), _ByName()
    named.mean = None
    named.forward = lambda x: named.linear(input=x)  # type: ignore[method-assign]
    for module, losses in (
        (critic, lambda x: slope(critic, x).square().sum(1)),
        (named, lambda x: named(x).squeeze(1)),
    ):
        watched = BookKeepingModule(module)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            watched.clipped_sum(losses, (_rows(),))
        assert not watched.tape._uses
        copy.deepcopy(module)


def test_losses_that_take_numbers_out() -> None:
    """A loss may read its inputs as arrays; what is no tensor is named, and forgotten."""
    critic = _critic()
    watched = BookKeepingModule(critic)

    def losses(x: torch.Tensor) -> torch.Tensor:
        return critic(x).squeeze(1) * torch.from_numpy(x.numpy()[:, 0])

    watched.clipped_sum(losses, (_rows(),))
    wanted = clipped_sum(critic, losses, (_rows(),), 1.0)
    assert far({n: p.grad for n, p in critic.named_parameters()}, wanted) < 1e-5
    with pytest.raises(OptionError, match=r"tensor of shape.*ndarray"):
        watched.clipped_sum(losses, (_rows().numpy(),))
    with pytest.raises(OptionError, match="squeeze it"):
        watched.clipped_sum(critic, (_rows(),))
    watched.finish(watched(_rows()).squeeze(1))


@pytest.mark.parametrize("n", [2, 3])
def test_outputs_with_another_first_axis(n: int) -> None:
    """States of layers, and padding as long as the longest record, are no mixing."""
    watched = BookKeepingModule(nn.GRU(5, 3, num_layers=2, batch_first=True))
    out, last = watched(_rows(n, 4, 5))
    watched.finish(out.flatten(1).sum(1) + last.sum((0, 2)))


def test_records_without_a_loss_of_their_own() -> None:
    """Copies of a record that are scored each, and packs that are scored together, are refused."""
    module = nn.Linear(5, 1)
    packing = nn.Linear(10, 1)
    for inner, losses in (
        (module, lambda x: module(x.repeat_interleave(8, 0)).squeeze(1)),
        (packing, lambda x: packing(x.reshape(-1, 10)).squeeze(1)),
    ):
        watched = BookKeepingModule(inner)
        with pytest.raises(OptionError, match="one loss for each row"):
            watched.clipped_sum(losses, (_rows(),))
    watched = BookKeepingModule(module)
    with pytest.raises(OptionError, match="packed with others"):
        watched.finish(watched(_rows()).squeeze(1).repeat(2))
    with pytest.raises(OptionError, match="at least one input"):
        watched.clipped_sum(lambda: module(_rows()).squeeze(1), ())


class _Counting(nn.Module):
    """Remembers a mean of what it saw, in a buffer."""

    def __init__(self, *, replaced: bool) -> None:
        super().__init__()
        self.replaced, self.linear = replaced, nn.Linear(5, 1)
        self.register_buffer("mean", torch.zeros(5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.replaced:
            self.mean = 0.9 * self.mean + 0.1 * x.detach().mean(0)
        else:
            self.mean.lerp_(x.detach().mean(0), 0.1)
        return self.linear(x)


@pytest.mark.parametrize("by_forward", [True, False])
@pytest.mark.parametrize("module", [
    _Counting(replaced=True), _Counting(replaced=False),
    nn.Sequential(nn.InstanceNorm1d(1, track_running_stats=True), nn.Linear(5, 1)),
])  # fmt: skip
def test_a_buffer_that_records_fill_is_refused(module: nn.Module, by_forward: bool) -> None:
    """What a forward pass writes down stays in the module without noise: refused, and undone."""
    watched, x = (
        BookKeepingModule(module),
        _rows(8, 1, 5) if len([*module.modules()]) > 2 else _rows(),
    )
    before = copy.deepcopy(module.state_dict())
    with pytest.raises(OptionError, match="mean' is overwritten in the forward pass"):
        _taken(watched, x, by_forward)
    after = module.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_frozen_table_that_a_pass_changes_is_refused() -> None:
    """`max_norm` writes into the rows that records look up."""
    table = nn.Embedding(6, 5, max_norm=0.5).requires_grad_(False)
    module = nn.Sequential(table, nn.Linear(5, 1))
    before = table.weight.clone()
    with pytest.raises(OptionError, match=r"'0\.weight' is overwritten"):
        BookKeepingModule(module).clipped_sum(
            lambda i: module(i).squeeze(1), (torch.tensor([1, 1, 4]),)
        )
    assert torch.equal(table.weight, before)


class _TiedByList(nn.Module):
    """The usual way to tie a decoder to its encoder: the weight in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(5, 3)
        self.tied = [self.encoder.weight]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(torch.tanh(self.encoder(x)), self.tied[0].t())


def test_a_weight_by_reference_is_refused() -> None:
    """Running each record alone does not reach it, so nothing exact can be had."""
    tied, plain = _TiedByList(), nn.Linear(5, 1)
    weights = list(plain.parameters())
    for module, losses, name in (
        (tied, lambda x: tied(x).square().sum(1), "encoder.weight"),
        (plain, lambda x: plain(x).squeeze(1) + sum(w.square().sum() for w in weights), "weight"),
    ):
        with pytest.raises(OptionError, match=f"'{name}'.*by a reference"):
            BookKeepingModule(module).clipped_sum(losses, (_rows(),))


@pytest.mark.parametrize("mixes", [True, False])
def test_what_starts_late_is_seen_in_time(mixes: bool) -> None:
    """Mixing, and a weight outside of its layer, that begin after many passes are found."""
    module = nn.Linear(5, 1)
    watched = BookKeepingModule(module)

    def late(x: torch.Tensor) -> torch.Tensor:
        found = module(x).squeeze(1)
        if mixes:
            return found * (1 + found.detach().mean())
        return found + nn.functional.linear(x, module.weight).square().sum(1)

    for _ in range(1030):
        watched.clipped_sum(lambda x: module(x).squeeze(1), (_rows(),))

    def some() -> None:
        for _ in range(128):
            watched.clipped_sum(late, (_rows(),))

    with pytest.raises(OptionError if mixes else GenauditWarning):
        some()


def test_a_small_part_outside_of_its_layer_is_seen() -> None:
    """Where gradients cancel over a batch, one in a hundred is still told from rounding."""
    module = nn.Linear(20, 1)
    x = torch.randn(2048, 21, generator=torch.Generator().manual_seed(0))

    def losses(rows: torch.Tensor) -> torch.Tensor:
        inside = module(rows[:, :20]) + 0.01 * nn.functional.linear(rows[:, :20], module.weight)
        return inside.squeeze(1) * rows[:, 20]

    with pytest.warns(GenauditWarning, match="outside of its own layer"):
        BookKeepingModule(module, max_grad_norm=BOUND).clipped_sum(losses, (x,))
    found = {n: p.grad for n, p in module.named_parameters()}
    assert far(found, clipped_sum(module, losses, (x,), BOUND)) < 1e-5


@pytest.mark.parametrize("first", [nn.ReLU(inplace=True), nn.Dropout(0.1, inplace=True)])
@pytest.mark.parametrize("by_forward", [True, False])
def test_a_first_layer_in_place(first: nn.Module, by_forward: bool) -> None:
    """Inputs may be overwritten; the caller's own stay."""
    module = nn.Sequential(first, nn.Linear(5, 1))
    watched, x = BookKeepingModule(module), _rows()
    _taken(watched, x, by_forward)
    assert torch.equal(x, _rows())


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM])
def test_a_penalty_on_a_recurrent_critic(kind: type[nn.RNNBase]) -> None:
    """WGAN-GP through GRU and LSTM, dropout beside it, equals a loop over the rows."""
    torch.manual_seed(0)

    class _Critic(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn, self.out = kind(3, 4, batch_first=True), nn.Linear(4, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.out(self.rnn(x)[0][:, -1])

    watched = BookKeepingModule(_Critic(), max_grad_norm=BOUND)
    critic = watched._module

    def losses(x: torch.Tensor) -> torch.Tensor:
        steepness = slope(critic, x).flatten(1).norm(dim=1)
        return critic(x).squeeze(1) + 10 * (steepness - 1).square()

    x = _rows(4, 3, 3)
    watched.clipped_sum(losses, (x,))
    found = {n: p.grad for n, p in critic.named_parameters()}
    assert far(found, clipped_sum(critic, losses, (x,), BOUND, 1)) < 1e-5


def test_gradients_that_cancel_are_no_hole() -> None:
    """Rows once with each sign, and least squares at its optimum, sum to rounding and pass."""
    module = nn.Linear(5, 1)
    watched = BookKeepingModule(module)
    x = torch.cat([_rows(500), _rows(500)])[torch.randperm(1000)]
    sign = torch.ones(1000)
    sign[::2] = -1
    y = (x @ torch.ones(5)) + torch.randn(1000)
    design = torch.cat([x, torch.ones(1000, 1)], 1).double()
    best = torch.linalg.lstsq(design, y.double()).solution.float()
    with torch.no_grad():
        module.weight.copy_(best[None, :5])
        module.bias.copy_(best[5:])

    watched.clipped_sum(lambda r, t: (module(r).squeeze(1) - t).square(), (x, y))
    watched.clipped_sum(lambda r, s: module(r).squeeze(1) * s, (x, sign))


def test_losses_of_another_pass_are_refused() -> None:
    """Losses that no watched layer is part of, and a pass between two others, are named."""
    critic = _critic()
    watched = BookKeepingModule(critic)
    watched.clipped_sum(lambda r: critic(r).squeeze(1), (_rows(),))
    with pytest.raises(OptionError, match="No watched layer"):
        watched.finish(critic(_rows()).squeeze(1))
    watched(_rows())
    with pytest.raises(OptionError, match="two passes"):
        watched.clipped_sum(lambda r: critic(r).squeeze(1), (_rows(),))


def test_a_pass_that_fails_can_be_made_again() -> None:
    """An error inside the module leaves nothing open."""
    watched = BookKeepingModule(_critic())
    with pytest.raises(RuntimeError):
        watched(torch.zeros(2, 3))

    watched.finish(watched(_rows()).squeeze(1))


def test_weights_that_are_thawed_later_are_seen() -> None:
    """A layer that was frozen when the module was wrapped is exact once it is trained."""
    module = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 2))
    module[0].requires_grad_(False)
    watched = BookKeepingModule(module)
    watched.clipped_sum(lambda x: module(x).sum(1), (_rows(),))

    module[0].requires_grad_(True)
    with _warned():
        watched.clipped_sum(lambda x: module(x).sum(1), (_rows(),))
    found = {n: p.grad for n, p in module.named_parameters()}
    assert far(found, clipped_sum(module, lambda x: module(x).sum(1), (_rows(),), 1.0, 1)) < 1e-5


@pytest.mark.filterwarnings("ignore")  # torch would rather have the newer spelling
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "norm", [nn.utils.weight_norm, nn.utils.parametrizations.weight_norm], ids=["old", "new"]
)
def test_weight_norm_is_exact(norm: Callable[[nn.Module], nn.Module], bias: bool) -> None:
    """A layer under weight norm, which spectral norm is to be replaced by, is exact."""
    kinds = _check(nn.Sequential(norm(nn.Linear(5, 4, bias=bias)), nn.Linear(4, 2)), _rows())

    assert kinds == {"0": "local", "1": "rule"}


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM])
def test_a_recurrent_weight_alone(kind: type[nn.RNNBase]) -> None:
    """Where all before the gates is frozen, the recurrent weight still has its gradient."""
    inner = kind(5, 3, batch_first=True)
    for name, p in inner.named_parameters():
        p.requires_grad_("hh" in name)
    module = nn.Sequential(inner)
    watched = BookKeepingModule(module, max_grad_norm=BOUND)

    def losses(x: torch.Tensor) -> torch.Tensor:
        return torch.sin(module(x)[0].flatten(1)).sum(1)

    watched.clipped_sum(losses, (_rows(6, 4, 5),))

    found = {n: p.grad for n, p in module.named_parameters() if p.requires_grad}
    assert far(found, clipped_sum(module, losses, (_rows(6, 4, 5),), BOUND)) < 1e-5
    assert all(g.any() for g in found.values())


def test_a_second_pass_is_refused_or_left_unwatched() -> None:
    """A look without gradients forgets nothing; a second pass before the first is finished does."""
    critic = _critic()
    watched = BookKeepingModule(critic, max_grad_norm=BOUND)
    losses = watched(_rows()).squeeze(1)
    with torch.no_grad():
        watched(2 * _rows())
    with pytest.raises(OptionError, match="two passes"):
        watched(_rows())

    watched.finish(losses)

    wanted = clipped_sum(critic, lambda r: critic(r).squeeze(1), (_rows(),), BOUND)
    assert far({n: p.grad for n, p in critic.named_parameters()}, wanted) < 1e-5
    watched.finish(watched(_rows()).squeeze(1))


def test_low_precision_is_refused() -> None:
    """Half precision has too few digits for a norm to hold, so it is refused by name."""
    with pytest.raises(OptionError, match=r"bfloat16 in '0\.weight'"):
        BookKeepingModule(_critic().bfloat16())
    critic = _critic()
    watched = BookKeepingModule(critic)
    critic.bfloat16()
    with pytest.raises(OptionError, match="losses of float32"):
        watched.clipped_sum(lambda r: critic(r.bfloat16()).squeeze(1), (_rows(),))


def test_norms_survive_cancellation() -> None:
    """Large terms that cancel over time leave a small norm, which is not lost to rounding."""
    g = torch.randn(3, 8, 4, generator=torch.Generator().manual_seed(0))
    a = 1e4 * torch.ones(3, 8, 200)
    a[:, 1::2] *= -1
    g[:, 1::2] = g[:, ::2]
    a[:, 0, 0] += 1.0
    factor = Outer(a, g)

    exact = torch.einsum("ntp,ntd->npd", g.double(), a.double()).flatten(1).norm(dim=1)

    assert torch.allclose(factor.norms().double(), exact, rtol=1e-3)


@pytest.mark.parametrize("cap", [1, 2])
def test_gradients_of_each_unit(cap: int) -> None:
    """The gradients that would be clipped are those of one unit at a time; none for no rows."""
    torch.manual_seed(0)
    module = nn.Sequential(_Scaled(), nn.Tanh(), nn.LayerNorm(4), nn.Linear(4, 1))
    watched = BookKeepingModule(module, max_grad_norm=BOUND)
    x = torch.randn(6, 5)

    def losses(rows: torch.Tensor) -> torch.Tensor:
        return module(rows).square().sum(1)

    found = watched.per_sample_grads(losses, (x,), cap=cap)
    wanted = [torch.cat([g.flatten() for g in each.values()])
              for each in gradients(module, losses, (x,), cap)]  # fmt: skip

    assert torch.allclose(found, torch.stack(wanted), atol=1e-5)
    assert watched.per_sample_grads(losses, (x[:0],)).shape == (0, found.shape[1])


def test_inputs_are_forgotten_once_read() -> None:
    """After a step nothing that hooks hold leads back to the records of the batch."""
    module = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 1))
    watched = BookKeepingModule(module, max_grad_norm=BOUND)
    watched.clipped_sum(lambda rows: module(rows).squeeze(1), (torch.randn(6, 5),))

    assert not watched.tape._uses
