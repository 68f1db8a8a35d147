"""The chance that counts cross a line, against all outcomes and against plain binomial tails."""

from __future__ import annotations

from itertools import product

import pytest
from scipy.stats import binom

from genaudit.stats.walk import crossing_chance


@pytest.mark.parametrize("q", [0.5, 0.8])
@pytest.mark.parametrize("lines", [(2, 5, 8), (3, 4, 9), (0, 5, 8), (4, 7, 11)])
def test_chance_is_that_of_all_outcomes(q: float, lines: tuple[int, ...]) -> None:
    """Ten trials, looked at after three, six and ten of them."""
    numbers = (3, 6, 10)
    exact = sum(
        q ** sum(some) * (1 - q) ** (10 - sum(some))
        for some in product((0, 1), repeat=10)
        if any(sum(some[:n]) >= line for n, line in zip(numbers, lines, strict=True))
    )

    assert crossing_chance(numbers, lines, q) == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize("n", [100, 20_000])
def test_one_line_is_a_binomial_tail(n: int) -> None:
    """From far above what is likely to far below."""
    for line in (n // 3, n // 2, n // 2 + int(3 * n**0.5)):
        assert crossing_chance([n], [line], 0.5) == pytest.approx(
            binom.sf(line - 1, n, 0.5), rel=1e-9, abs=1e-13
        )
