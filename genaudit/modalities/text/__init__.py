"""Lines of text as symbols: characters, or declared pieces of several."""
