"""Series of numbers: files, codes, networks, features and distances."""
