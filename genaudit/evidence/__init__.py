"""A report as evidence: a folder that is whole or known to be damaged, and what has changed."""
