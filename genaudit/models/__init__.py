"""Families of generators. This module loads no torch; the families do."""

#: Family -> what it is, with its source.
FAMILIES = {
    "gan": "generative adversarial network (Goodfellow et al. 2014)",
    "vae": "variational autoencoder with conditions in both halves (Kingma & Welling 2014)",
    "cgan": "conditional GAN: conditions in both networks (Mirza & Osindero 2014)",
}
