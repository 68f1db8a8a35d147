"""Kinds of subjects: trained models, sample files, data frames and callables."""
