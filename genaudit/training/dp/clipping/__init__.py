"""Exact clipping: per-sample norms and one weighted sum, without per-sample gradients.

`factor` holds per-sample gradients as factors, `layer` reads them off a layer's input and the
gradient at its output, `recurrent` does so over time, `local` falls back to `torch.func` for one
module and `whole` for a whole loss, `module` and `engine` put all of it into Opacus's frame.
"""
