"""Texts as arrays of bytes, and the compiled loops over them: what stages with such loops share."""
