"""Training: recipes, the plain regime, and the private one through Opacus."""
