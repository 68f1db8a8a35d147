"""Sounds: folders of WAV, log-mel frames, features to compare by, networks."""
