"""Make generated samples fairer to groups: generated rows, a schema and a target in, rows out.

No function here takes a real row, so nothing here adds to ε: whatever is computed from samples is
post-processing. Quantiles, weights, scores and strengths all come from samples.
"""
