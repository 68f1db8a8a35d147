"""Pure functions of counts and scores: intervals, ROC curves, corrections, the bootstrap."""
