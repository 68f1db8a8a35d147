"""Tables of mixed types."""
