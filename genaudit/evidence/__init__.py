"""A report as evidence: a folder that is whole or known to be damaged, who signed it, and what changed."""
