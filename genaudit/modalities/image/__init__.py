"""Images with attributes: files, codes, networks, features, and how good made ones are."""
