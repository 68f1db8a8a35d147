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
        rz, new = gates.new_empty(t, n, 2 * h), gates.new_empty(t, n, h)
        inner, states = gates.new_empty(t, n, h), gates.new_empty(t + 1, n, h)
        states[0] = hidden
        w = weight.t()
        # All views at once: one by one they cost as much as what is computed.
        at_rz, at_new = (part.unbind(0) for part in torch.split(gates, [2 * h, h], 2))
        r, z = (part.unbind(0) for part in torch.split(rz, h, 2))
        both, each, added, state = (x.unbind(0) for x in (rz, new, inner, states))
        for i in range(t):
            g = state[i] @ w if bias is None else torch.addmm(bias, state[i], w)
            from_rz, from_new = torch.split(g, [2 * h, h], 1)
            torch.add(at_rz[i], from_rz, out=both[i]).sigmoid_()
            added[i].copy_(from_new)
            torch.addcmul(at_new[i], r[i], from_new, out=each[i]).tanh_()
            torch.lerp(each[i], state[i], z[i], out=state[i + 1])
        ctx.save_for_backward(rz, new, inner, states, weight)
        ctx.with_bias, ctx.tapped = bias is not None, tap is not None
        # A copy: what comes next may change its input in place, as ReLU does.
        return states[1:].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        rz, new, inner, states, weight = ctx.saved_tensors
        t, n, h = new.shape
        r, z = rz[..., :h], rz[..., h:]
        to_new = (1 - z) * (1 - new * new)
        to_update = (states[:-1] - new) * z * (1 - z)
        to_reset = inner * r * (1 - r)
        at_gates = grad.new_empty(t, n, 3 * h)
        at_inner = torch.empty_like(at_gates)
        carry = torch.zeros(n, h, dtype=grad.dtype, device=grad.device)
        pre = at_gates[..., 2 * h :].unbind(0)
        reset, update, after = (part.unbind(0) for part in torch.split(at_inner, h, 2))
        r_at, z_at, at, grads = (x.unbind(0) for x in (r, z, at_inner, grad))
        new_at, update_at, reset_at = (x.unbind(0) for x in (to_new, to_update, to_reset))
        for i in range(t - 1, -1, -1):
            at_state = grads[i] + carry
            torch.mul(at_state, new_at[i], out=pre[i])
            torch.mul(pre[i], reset_at[i], out=reset[i])
            torch.mul(at_state, update_at[i], out=update[i])
            torch.mul(pre[i], r_at[i], out=after[i])
            carry = at_state.mul_(z_at[i]).addmm_(at[i], weight)
        at_gates[..., : 2 * h] = at_inner[..., : 2 * h]
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
