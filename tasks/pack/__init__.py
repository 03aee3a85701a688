"""Turns the documents of every split into token files."""
