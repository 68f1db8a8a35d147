"""Steps of a GRU as one operation: forward and backward by as few and as large products as can be.

Source: Cho et al. 2014; equations as in torch's documentation of `GRU`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional


class _GruSteps(torch.autograd.Function):
    """All steps of one layer in one direction, time first."""

    @staticmethod
    def forward(
        ctx: Any,
        gates: torch.Tensor,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        tap: torch.Tensor | None,
    ) -> torch.Tensor:
        """gates: inputs of reset, update and new gate, (t, n, 3 h); tap: zeros of that shape."""
        t, n, h = len(gates), *hidden.shape
        # A plane for each gate: rows of one among rows of others take five times as long.
        to_r, to_z, to_n = (part.contiguous() for part in torch.split(gates, h, 2))
        b_r = b_z = b_n = gates.new_zeros(h)
        if bias is not None:
            b_r, b_z, b_n = torch.split(bias, h)
        w_r, w_z, w_n = (w.t() for w in torch.split(weight, h))
        r, z, new, inner = torch.unbind(gates.new_empty(4, t, n, h))
        torch.add(to_r, b_r, out=r)
        torch.add(to_z, b_z, out=z)
        states = gates.new_empty(t + 1, n, h)
        states[0] = hidden
        # All views at once: one by one they cost as much as what is computed.
        planes = zip(*(x.unbind(0) for x in (r, z, to_n, new, inner, states[1:])), strict=True)
        state = states[0]
        for r_i, z_i, to_n_i, new_i, inner_i, after in planes:
            r_i.addmm_(state, w_r).sigmoid_()
            z_i.addmm_(state, w_z).sigmoid_()
            torch.addmm(b_n, state, w_n, out=inner_i)
            torch.addcmul(to_n_i, r_i, inner_i, out=new_i).tanh_()
            state = torch.lerp(new_i, state, z_i, out=after)
        ctx.save_for_backward(r, z, new, inner, states, weight)
        ctx.with_bias, ctx.tapped = bias is not None, tap is not None
        # A copy: what comes next may change its input in place, as ReLU does.
        return states[1:].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        r, z, new, inner, states, weight = ctx.saved_tensors
        to_new = (1 - z) * (1 - new * new)
        to_update = (states[:-1] - new) * z * (1 - z)
        to_reset = inner * r * (1 - r)
        w_r, w_z, w_n = torch.split(weight, new.shape[2])
        at_r, at_z, at_n, at_inner_n = torch.unbind(new.new_empty(4, *new.shape))
        each = (grad.contiguous(), r, z, to_new, to_update, to_reset, at_r, at_z, at_n, at_inner_n)
        steps = [*zip(*(x.unbind(0) for x in each), strict=True)]
        carry = torch.zeros_like(new[0])
        for g, r_i, z_i, by_new, by_update, by_reset, reset, update, pre, after in reversed(steps):
            at_state = g + carry
            torch.mul(at_state, by_new, out=pre)
            torch.mul(pre, by_reset, out=reset)
            torch.mul(at_state, by_update, out=update)
            torch.mul(pre, r_i, out=after)
            carry = at_state.mul_(z_i).addmm_(reset, w_r).addmm_(update, w_z).addmm_(after, w_n)
        at_gates = torch.cat([at_r, at_z, at_n], 2)
        at_inner = torch.cat([at_r, at_z, at_inner_n], 2)
        at_tap = at_inner if ctx.tapped else None
        return at_gates, carry, *matrix_grads(ctx, at_inner, states), at_tap


def matrix_grads(
    ctx: Any, at: torch.Tensor, states: torch.Tensor, first: int = 2
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """Gradients of the recurrent weight and bias of a whole batch, None where not asked for.

    Args:
        ctx: Of a `torch.autograd.Function` that has noted `with_bias`.
        at: Gradients of what the recurrent weight adds, shape (t, n, gates * h).
        states: The first state and those after every step, shape (t + 1, n, h).
        first: Place of the weight among the function's inputs; the bias follows it.

    Returns:
        Shapes (gates * h, h) and (gates * h,).
    """
    weight = bias = None
    if ctx.needs_input_grad[first]:
        weight = at.flatten(0, 1).t() @ states[:-1].flatten(0, 1)
    if ctx.with_bias and ctx.needs_input_grad[first + 1]:
        bias = at.sum((0, 1))
    return weight, bias


#: (gates, first state, recurrent weight, recurrent bias or None, tap or None) -> states, time
#: first, (t, n, h); a tap receives the gradient of what the recurrent weight adds. Differentiable
#: once. torch types no `apply` of its functions.
gru_steps: Callable[..., torch.Tensor] = _GruSteps.apply


def states_of(net: nn.GRU, *parts: torch.Tensor) -> torch.Tensor:
    """States of a GRU of one layer, batch first, on parts of its input side by side.

    Args:
        net: Of torch, or what private training puts in its place, which wants its input whole.
        parts: In the order of the input's columns: shape (n, steps, d), or (n, d) for what is the
            same at every step, which is then projected once and not at every step.

    Returns:
        Shape (n, steps, hidden); differentiable once.
    """
    of_input, of_state, *biases = net.parameters()  # in the order that a cell takes them
    wrapped = map(torch._C._functorch.is_functorch_wrapped_tensor, (*parts, of_state))
    if type(net) is not nn.GRU or any(wrapped):
        # `torch.func` differentiates as often as it likes, through operations of torch.
        states: torch.Tensor = net(beside(*parts))[0]
        return states
    weights = torch.split(of_input, [p.shape[-1] for p in parts], 1)
    pairs = list(zip(parts, weights, strict=True))
    moving = [(part, weight) for part, weight in pairs if part.dim() == 3]
    x = torch.cat([part for part, _ in moving], 2).transpose(0, 1)
    gates = functional.linear(x, torch.cat([weight for _, weight in moving], 1), biases[0])
    for part, weight in pairs:
        if part.dim() == 2:
            gates = gates + functional.linear(part, weight)
    start = gates.new_zeros(gates.shape[1], net.hidden_size)
    return gru_steps(gates, start, of_state, biases[1], None).transpose(0, 1)


def beside(*parts: torch.Tensor) -> torch.Tensor:
    """Parts side by side at every step, shape (n, steps, d); of two axes: the same at each."""
    steps = next(p.shape[1] for p in parts if p.dim() == 3)
    wide = [p if p.dim() == 3 else p[:, None].expand(-1, steps, -1) for p in parts]
    return torch.cat(wide, 2)
