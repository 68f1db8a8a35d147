"""Schemas, data sets and the rules of what may be shown of them."""
