"""GRU and LSTM whose gradients for one sample can be read off: drop-ins for torch's own.

Input projections and steps through time are separate operations here, and the gradients at the
gates of every step are kept, so a weight's gradient is a sum of outer products over time like that
of a linear layer. Names and meaning of parameters are torch's.

Source: Cho et al. 2014 (GRU); Hochreiter & Schmidhuber 1997 (LSTM); equations as in torch's
documentation of `GRU` and `LSTM`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from genaudit.errors import OptionError
from genaudit.modalities.gru import gru_steps, matrix_grads

#: Told of every use of a weight: its name, what went in, shape (n, t, d), and a tensor whose
#: gradient is that of what came out, time first, shape (t, n, p).
Recorder = Callable[[str, torch.Tensor, torch.Tensor], None]

#: Hidden state, or (hidden, cell), as torch's modules take and return them.
Hidden = Any


class _LstmSteps(torch.autograd.Function):
    """All steps of one layer in one direction, time first."""

    @staticmethod
    def forward(
        ctx: Any,
        gates: torch.Tensor,
        hidden: torch.Tensor,
        cell: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """gates: inputs of input, forget, cell and output gate, (t, n, 4 h)."""
        t, n, h = len(gates), *hidden.shape
        act, squashed = torch.empty_like(gates), gates.new_empty(t, n, h)
        states, cells = gates.new_empty(t + 1, n, h), gates.new_empty(t + 1, n, h)
        states[0], cells[0] = hidden, cell
        w = weight.t()
        for i in range(t):
            g = torch.addmm(gates[i], states[i], w)
            if bias is not None:
                g += bias
            torch.sigmoid(g, out=act[i])
            torch.tanh(g[:, 2 * h : 3 * h], out=act[i, :, 2 * h : 3 * h])
            into, forget, new, out = act[i].chunk(4, dim=1)
            torch.addcmul(into * new, forget, cells[i], out=cells[i + 1])
            torch.tanh(cells[i + 1], out=squashed[i])
            torch.mul(out, squashed[i], out=states[i + 1])
        ctx.save_for_backward(act, squashed, cells, states, weight)
        ctx.with_bias = bias is not None
        return states[1:].clone(), cells[-1].clone()

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, grad: torch.Tensor, grad_cell: torch.Tensor
    ) -> tuple[torch.Tensor | None, ...]:
        act, squashed, cells, states, weight = ctx.saved_tensors
        t, _, h = squashed.shape
        into, forget, new, out = act.chunk(4, dim=2)
        to_cell = out * (1 - squashed * squashed)
        to_out = squashed * out * (1 - out)
        to_into = new * into * (1 - into)
        to_new = into * (1 - new * new)
        to_forget = cells[:-1] * forget * (1 - forget)
        at_gates = torch.empty_like(act)
        carry, at_cell = torch.zeros_like(squashed[0]), grad_cell.clone()
        for i in range(t - 1, -1, -1):
            at_state = grad[i] + carry
            at_cell = torch.addcmul(at_cell, at_state, to_cell[i])
            at = at_gates[i]
            torch.mul(at_cell, to_into[i], out=at[:, :h])
            torch.mul(at_cell, to_forget[i], out=at[:, h : 2 * h])
            torch.mul(at_cell, to_new[i], out=at[:, 2 * h : 3 * h])
            torch.mul(at_state, to_out[i], out=at[:, 3 * h :])
            carry = at @ weight
            at_cell = at_cell * forget[i]
        return at_gates, carry, at_cell, *matrix_grads(ctx, at_gates, states, first=3)


#: torch types no `apply` of its functions.
_lstm_steps: Callable[..., tuple[torch.Tensor, torch.Tensor]] = _LstmSteps.apply


class Unrolled(nn.RNNBase, ABC):
    """What both have in common: layers, directions, where time stands, and who is told."""

    recorder: Recorder | None = None
    _n_states = 1

    @classmethod
    def like(cls, module: nn.RNNBase) -> Unrolled:
        """The drop-in for one of torch's modules; it has the very same parameters.

        Raises:
            OptionError: the module projects its hidden state (`proj_size`), or carries hooks or
                weights of another name (weight norm), which a drop-in would lose.
        """
        if module.proj_size:
            raise OptionError(
                f"Expected a {type(module).__name__} without proj_size for private training, got "
                f"proj_size={module.proj_size}; put a Linear behind it instead."
            )
        make: Any = cls  # GRU or LSTM, whose constructors torch types less strictly
        made: Unrolled = make(
            module.input_size, module.hidden_size, num_layers=module.num_layers, bias=module.bias,
            batch_first=module.batch_first, dropout=module.dropout,
            bidirectional=module.bidirectional, device="meta",
        )  # fmt: skip
        own = dict(module.named_parameters())
        if _hooked(module) or own.keys() != dict(made.named_parameters()).keys():
            raise OptionError(
                f"Expected a {type(module).__name__} without hooks and weight norm for private "
                "training; take them off, or put them on a module around it."
            )
        for name, parameter in own.items():
            setattr(made, name, parameter)
        return made.train(module.training)

    def forward(self, input: torch.Tensor, hx: Hidden = None) -> tuple[torch.Tensor, Hidden]:
        """As torch's own, for a batch: (n, t, d) where batch_first, else (t, n, d).

        Raises:
            OptionError: the input is packed, or is no batch.
        """
        if not isinstance(input, torch.Tensor) or input.dim() != 3:
            raise OptionError(
                f"Expected a batch of padded sequences, shape (n, t, d), got "
                f"{type(input).__name__}; packed sequences mix the records of a batch, so pad them "
                "and mask the loss instead."
            )
        x = input.transpose(0, 1) if self.batch_first else input
        starts = self._starts(x, hx)
        finals: list[tuple[torch.Tensor, ...]] = []
        for layer in range(self.num_layers):
            if layer and self.dropout:
                x = functional.dropout(x, self.dropout, self.training)
            outs = []
            for way in range(1 + self.bidirectional):
                suffix = f"_l{layer}" + ("_reverse" if way else "")
                start = tuple(s[len(finals)] for s in starts)
                out, final = self._layer(x.flip(0) if way else x, start, suffix)
                finals.append(final)
                outs.append(out.flip(0) if way else out)
            x = torch.cat(outs, dim=2) if self.bidirectional else outs[0]
        # The steps keep their states for the way back, and what follows may overwrite its input.
        out = x.clone()
        return out.transpose(0, 1) if self.batch_first else out, self._finals(finals)

    def _starts(self, x: torch.Tensor, hx: Hidden) -> tuple[torch.Tensor, ...]:
        if hx is None:
            many = self.num_layers * (1 + self.bidirectional)
            zeros = x.new_zeros(many, x.shape[1], self.hidden_size)
            return (zeros,) * self._n_states
        return hx if isinstance(hx, tuple) else (hx,)

    def _layer(
        self, x: torch.Tensor, start: tuple[torch.Tensor, ...], suffix: str
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        """One layer in one direction, time first: outputs, and the final states."""
        w_ih, w_hh, b_ih, b_hh = self._weights(suffix)
        gates = functional.linear(x, w_ih, b_ih)
        watched = self.recorder is not None and torch.is_grad_enabled()
        if watched and not gates.requires_grad:
            # Nothing before the gates is trained, but the recurrent weight behind them may be.
            gates = gates.detach().requires_grad_()
        if torch._C._functorch.is_functorch_wrapped_tensor(gates):
            # `torch.func` differentiates as often as it likes, through plain operations.
            out, finals, at = *self._plain_steps(gates, start, w_hh, b_hh), gates
        else:
            out, finals, at = self._steps(gates, start, w_hh, b_hh)
        if watched and self.recorder is not None:
            before = torch.cat([start[0][None], out[:-1]]).detach()
            self.recorder(f"weight_ih{suffix}", x.detach().transpose(0, 1), gates)
            self.recorder(f"weight_hh{suffix}", before.transpose(0, 1), at)
        return out, finals

    def _weights(self, suffix: str) -> tuple[Any, ...]:
        names = [f"weight_ih{suffix}", f"weight_hh{suffix}", f"bias_ih{suffix}", f"bias_hh{suffix}"]
        return tuple(getattr(self, name, None) for name in names)

    def _finals(self, finals: list[tuple[torch.Tensor, ...]]) -> Hidden:
        return torch.stack([f[0] for f in finals])

    @abstractmethod
    def _steps(
        self,
        gates: torch.Tensor,
        start: tuple[torch.Tensor, ...],
        weight: torch.Tensor,
        bias: torch.Tensor | None,
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, ...], torch.Tensor]:
        """Outputs, final states, and what has the gradient of what the recurrent weight adds.

        Args:
            gates: Projected inputs, shape (t, n, gates * h).
            start: First states, each of shape (n, h).
            weight: Recurrent, shape (gates * h, h).
            bias: Recurrent, shape (gates * h,).
        """

    def _plain_steps(
        self,
        gates: torch.Tensor,
        start: tuple[torch.Tensor, ...],
        weight: torch.Tensor,
        bias: torch.Tensor | None,
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        """Outputs and final states, by operations that torch can differentiate in every way."""
        state, outs = start, []
        for at in gates:
            state = self._plain_step(at, functional.linear(state[0], weight, bias), *state)
            outs.append(state[0])
        return torch.stack(outs), state

    @abstractmethod
    def _plain_step(
        self, gates: torch.Tensor, inner: torch.Tensor, *state: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """The next state from projected input and projected state, each (n, gates * h)."""


# torch declares another `forward` on each of its classes than on their base.
class GRU(Unrolled, nn.GRU):  # type: ignore[misc]
    """`torch.nn.GRU` with readable gradients; one Python loop over time, no packed sequences."""

    def _steps(
        self,
        gates: torch.Tensor,
        start: tuple[torch.Tensor, ...],
        weight: torch.Tensor,
        bias: torch.Tensor | None,
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, ...], torch.Tensor]:
        # The reset gate stands between both weights, so theirs are two gradients.
        tap = gates.new_zeros(()).expand_as(gates).requires_grad_(gates.requires_grad)
        out = gru_steps(gates, start[0], weight, bias, tap)
        return out, (out[-1],), tap

    def _plain_step(
        self, gates: torch.Tensor, inner: torch.Tensor, *state: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        (reset, update, new), (r, z, n) = gates.chunk(3, dim=1), inner.chunk(3, dim=1)
        candidate = torch.tanh(new + torch.sigmoid(reset + r) * n)
        return (candidate + torch.sigmoid(update + z) * (state[0] - candidate),)


class LSTM(Unrolled, nn.LSTM):  # type: ignore[misc]
    """`torch.nn.LSTM` with readable gradients; one Python loop over time, no packed sequences."""

    _n_states = 2

    def _finals(self, finals: list[tuple[torch.Tensor, ...]]) -> Hidden:
        return tuple(torch.stack(list(parts)) for parts in zip(*finals, strict=True))

    def _steps(
        self,
        gates: torch.Tensor,
        start: tuple[torch.Tensor, ...],
        weight: torch.Tensor,
        bias: torch.Tensor | None,
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, ...], torch.Tensor]:
        out, cell = _lstm_steps(gates, *start, weight, bias)
        # Both weights add into the same gates, so the gradient there is theirs alike.
        return out, (out[-1], cell), gates

    def _plain_step(
        self, gates: torch.Tensor, inner: torch.Tensor, *state: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        into, forget, new, out = (gates + inner).chunk(4, dim=1)
        cell = torch.sigmoid(forget) * state[1] + torch.sigmoid(into) * torch.tanh(new)
        return torch.sigmoid(out) * torch.tanh(cell), cell


def _hooked(module: nn.Module) -> bool:
    """Whether something runs beside it when it is called."""
    kinds = ("forward", "forward_pre", "backward", "backward_pre")
    return any(getattr(module, f"_{kind}_hooks") for kind in kinds)


#: torch's recurrent modules and what private training puts in their place.
DROP_INS: dict[type[nn.Module], type[Unrolled]] = {nn.GRU: GRU, nn.LSTM: LSTM}


def readable(module: nn.Module) -> nn.Module:
    """The module with drop-ins for torch's GRU and LSTM, in place; their parameters stay theirs."""
    made: dict[int, nn.Module] = {}

    def walk(module: nn.Module) -> nn.Module:
        if id(module) not in made:
            made[id(module)] = module
            drop_in = DROP_INS.get(type(module))
            if drop_in is not None:
                assert isinstance(module, nn.RNNBase)
                made[id(module)] = drop_in.like(module)
            # Names and not `named_children`, which has a layer under two names once.
            for name, child in module._modules.items():
                if child is not None:
                    module._modules[name] = walk(child)
        return made[id(module)]

    return walk(module)
