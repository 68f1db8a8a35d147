"""Training rows in files: what is packed in them, tables by their values, anything by its bytes."""
