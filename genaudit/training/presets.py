"""Numbers of a training that a recipe leaves open, by what is trained on: measured, not guessed."""

from __future__ import annotations

from typing import Any

#: Family, private -> numbers that a preset fills in where the recipe leaves them open.
_TABLE_PRESETS: dict[str, dict[tuple[str, bool], dict[str, Any]]] = {
    "quick": {
        ("gan", False): {"steps": 400, "batch_size": 256, "components": 200, "fit_steps": 400},
        ("gan", True): {"steps": 300, "batch_size": 256, "components": 200, "fit_steps": 400},
        ("vae", False): {"steps": 1500, "batch_size": 256, "components": 600, "fit_steps": 400},
        ("vae", True): {"steps": 300, "batch_size": 256, "components": 200, "fit_steps": 400},
    },
    "standard": {
        ("gan", False): {"steps": 2500, "batch_size": 256, "components": 300, "fit_steps": 800},
        ("gan", True): {"steps": 1200, "batch_size": 256, "components": 300, "fit_steps": 800},
        ("vae", False): {"steps": 4000, "batch_size": 256, "components": 300, "fit_steps": 800},
        ("vae", True): {"steps": 2000, "batch_size": 512, "components": 300, "fit_steps": 800},
    },
}

#: Numbers that do not depend on the preset, by family and private.
_TABLE: dict[tuple[str, bool], dict[str, Any]] = {
    # Exact marginals count for thousands of times as much as noisy ones, so a hundredth of the pull
    # still pulls harder.
    ("gan", False): {"learning_rate": 2e-2, "private_learning_rate": 1e-3, "hidden": (128, 128),
                     "latent": 1, "max_grad_norm": 1.0, "pull": 1e-6, "r1": 0.05},
    # Few noisy steps must do, so they are large.
    ("gan", True): {"learning_rate": 2e-2, "private_learning_rate": 3e-3, "hidden": (128, 128),
                    "latent": 1, "max_grad_norm": 1.0, "pull": 1e-4},
    ("vae", False): {"learning_rate": 1e-3, "private_learning_rate": 1e-3, "hidden": (128, 256),
                     "latent": 16, "max_grad_norm": 1.6, "pull": 0.0},
    ("vae", True): {"learning_rate": 1e-3, "private_learning_rate": 1e-3, "hidden": (128, 256),
                    "latent": 16, "max_grad_norm": 1.6, "pull": 0.0},
}  # fmt: skip

#: What every kind of record starts from; a table has marginals of pairs, which are worth far more.
_MEDIA: dict[str, Any] = {
    "learning_rate": 1e-3, "private_learning_rate": 1e-3, "hidden": (64,), "latent": 16,
    "max_grad_norm": 1.0, "pull": 0.0, "components": 1, "fit_steps": 1, "marginal_fraction": 0.15,
    "kl": 1.0, "kl_rise": 0.0, "free_bits": 0.0, "r1": 0.0, "warm": 0.0, "warm_learning_rate": 1e-3,
    "warm_end": 1.0,
    "average": 0.995, "batch_size": 128,
}  # fmt: skip

#: Kind of record, family, private -> (numbers, those of the preset quick, those of standard).
_RECORDS: dict[tuple[str, str, bool], tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    ("image", "gan", False): (
        {"learning_rate": 1e-3, "private_learning_rate": 5e-4, "hidden": (16,), "latent": 32,
         "batch_size": 64},
        {"steps": 500}, {"steps": 2500},
    ),
    ("image", "gan", True): (
        {"learning_rate": 1e-3, "private_learning_rate": 1.2e-3, "hidden": (8,), "average": 0.98,
         "batch_size": 512},
        {"steps": 200}, {"steps": 400},
    ),
    # More weight on the divergence than 1: the means of pixels are drawn, without their noise.
    ("image", "vae", False): (
        {"private_learning_rate": 2e-3, "hidden": (16,), "kl": 2.0, "average": 0.99,
         "batch_size": 64},
        {"steps": 600}, {"steps": 1500},
    ),
    ("image", "vae", True): (
        {"private_learning_rate": 8e-3, "hidden": (8,), "latent": 8, "kl": 3.0, "average": 0.98,
         "batch_size": 512},
        {"steps": 150}, {"steps": 200},
    ),
    ("image", "cgan", False): (
        {"learning_rate": 1e-3, "private_learning_rate": 5e-4, "hidden": (16,), "latent": 32,
         "batch_size": 64},
        {"steps": 500}, {"steps": 2500},
    ),
    ("image", "cgan", True): (
        {"learning_rate": 1e-3, "private_learning_rate": 1.2e-3, "hidden": (8,), "average": 0.98,
         "batch_size": 512},
        {"steps": 200}, {"steps": 400},
    ),
    ("sequence", "vae", False): (
        {"private_learning_rate": 2e-3, "kl_rise": 0.3, "warm_end": 0.01},
        {"steps": 600}, {"steps": 1900, "private_learning_rate": 2.5e-3},
    ),
    ("sequence", "vae", True): (
        {"private_learning_rate": 8e-3, "hidden": (32,), "latent": 4, "batch_size": 256},
        {"steps": 150}, {"steps": 200},
    ),
    ("sequence", "cgan", False): (
        # A discriminator that has much to say spoils what likelihood has made sharp.
        {"learning_rate": 2e-5, "private_learning_rate": 1e-3, "warm": 0.9, "warm_end": 0.01},
        {"steps": 560, "warm_learning_rate": 3e-3},
        {"steps": 2600, "warm_learning_rate": 2e-3},
    ),
    ("sequence", "cgan", True): (
        {"learning_rate": 2e-5, "private_learning_rate": 1e-3, "hidden": (32,), "batch_size": 256,
         "warm": 0.95, "warm_learning_rate": 8e-3},
        {"steps": 150}, {"steps": 200},
    ),
    ("audio", "gan", False): (
        {"r1": 1.0, "warm": 0.33, "warm_learning_rate": 2e-3, "hidden": (96,), "batch_size": 64},
        {"steps": 1200}, {"steps": 3000},
    ),
    ("audio", "gan", True): (
        {"warm": 0.95, "warm_learning_rate": 5e-3, "learning_rate": 2e-5, "hidden": (96,)},
        {"steps": 400}, {"steps": 800},
    ),
    ("audio", "vae", False): (
        {"private_learning_rate": 2e-3, "kl_rise": 0.3, "hidden": (96,), "batch_size": 64},
        {"steps": 1500}, {"steps": 4000},
    ),
    ("audio", "vae", True): (
        {"private_learning_rate": 5e-3, "kl_rise": 0.3, "hidden": (96,), "latent": 8},
        {"steps": 400}, {"steps": 1000},
    ),
    ("audio", "cgan", False): (
        {"learning_rate": 2e-4, "warm_learning_rate": 2e-3, "hidden": (96,), "batch_size": 64,
         "warm": 0.8},
        {"steps": 400}, {"steps": 1500},
    ),
    ("audio", "cgan", True): (
        {"learning_rate": 2e-5, "warm_learning_rate": 5e-3, "hidden": (96,), "warm": 0.95},
        {"steps": 200}, {"steps": 400},
    ),
    ("text", "vae", False): (
        {"private_learning_rate": 4e-3, "latent": 8, "kl_rise": 0.3, "free_bits": 2.0,
         "batch_size": 128},
        {"steps": 400}, {"steps": 600},
    ),
    ("text", "vae", True): (
        {"private_learning_rate": 1.5e-2, "latent": 8, "kl_rise": 0.5, "batch_size": 512},
        {"steps": 300}, {"steps": 400},
    ),
    ("text", "cgan", False): (
        {"learning_rate": 1e-4, "warm_learning_rate": 4e-3, "batch_size": 128},
        {"steps": 400, "warm": 0.75}, {"steps": 800, "warm": 0.625},
    ),
    # What a private discriminator says of so few noisy steps does more harm than good.
    ("text", "cgan", True): (
        {"learning_rate": 2e-5, "warm_learning_rate": 1.2e-2, "warm": 0.95},
        {"steps": 400, "batch_size": 512}, {"steps": 600, "batch_size": 768},
    ),
}  # fmt: skip

# A GAN of series or texts is the conditional one, but that it makes the attributes itself.
_RECORDS.update(
    {(kind, "gan", private): _RECORDS[kind, "cgan", private]
     for kind in ("sequence", "text") for private in (False, True)}
)  # fmt: skip


def numbers(kind: str, family: str, preset: str, *, private: bool) -> dict[str, Any]:
    """Every number of a training.

    Args:
        kind: `table`, or the kind of its records.
        family: gan, vae or cgan.
        preset: quick or standard.
        private: Whether under differential privacy.
    """
    if kind == "table":
        key = ("vae" if family == "vae" else "gan", private)
        return {
            "marginal_fraction": 0.9, "kl": 1.0, "r1": 0.0, **_TABLE[key],
            **_TABLE_PRESETS[preset][key],
        }  # fmt: skip
    usual, quick, standard = _RECORDS[kind, family, private]
    return {**_MEDIA, **usual, **(quick if preset == "quick" else standard)}
