"""Private training: intake, budget, steps; all that imports Opacus."""
