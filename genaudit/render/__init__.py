"""From a report to pages and files: these modules read the result tree and nothing else."""
