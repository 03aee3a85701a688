"""Reads the files of a snapshot into one table of documents, and sets aside what cannot be read."""
