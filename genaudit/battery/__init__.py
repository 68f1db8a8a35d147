"""False-alarm rates, measured: every audit on worlds in which nothing leaked, every bound on coins.

Rules that pick their threshold after the labels were seen alarm four times in ten on pure noise;
whoever prints a verdict owes its reader how often it is false.
"""
