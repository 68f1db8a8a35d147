"""Clauses of regulations, and what findings can say about them."""
