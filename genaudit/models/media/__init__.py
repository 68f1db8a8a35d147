"""Families of generators for images, series, sounds and texts: networks make the records."""
