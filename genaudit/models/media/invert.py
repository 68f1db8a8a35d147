"""From records back to the latents of a generator: how near can it come to each of them?

Source: Chen et al. 2020, GAN-Leaks (white box), from the best of several starts.
"""

from __future__ import annotations

import torch

from genaudit.modalities.nets import Generator

#: Draws of the latent for each record, of which the nearest is gone on from, and steps from there.
STARTS, STEPS = 8, 40

_RATE = 0.05


def misfit(
    maker: Generator, wanted: torch.Tensor, attributes: torch.Tensor, rng: torch.Generator
) -> torch.Tensor:
    """Mean squared distance of each record to the nearest that was made of a latent, shape (n,).

    A latent is kept as likely as draws are, within the usual length of normal noise: any record
    can be made of some number that the generator never meets.

    Args:
        maker: On records of shape (n, width); rows do not influence each other.
        wanted: Records, shape (n, width).
        attributes: That they have, shape (n, attributes).
        rng: Of the draws.
    """

    def apart(noise: torch.Tensor) -> torch.Tensor:
        return (maker(noise, attributes) - wanted).square().mean(1)

    with torch.no_grad():
        starts = torch.stack([maker.noise(len(wanted), rng) for _ in range(STARTS)])
        distances = torch.stack([apart(noise) for noise in starts])
        least, best = distances.min(0)
        noise = starts[best, torch.arange(len(wanted))]
    if not maker.noise_width:
        return least
    noise = noise.clone().requires_grad_()
    optimizer = torch.optim.Adam([noise], lr=_RATE)
    for _ in range(STEPS):
        found = apart(noise)
        least = torch.minimum(least, found.detach())
        # Each record's own distance alone leads to its own latent.
        (noise.grad,) = torch.autograd.grad(found.sum(), noise)
        optimizer.step()
        with torch.no_grad():
            length = noise.norm(dim=1, keepdim=True)
            noise.mul_((maker.noise_width**0.5 / length).clamp(max=1.0))
    return least
