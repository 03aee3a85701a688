"""Finds the lines that many documents of one source have in common."""
