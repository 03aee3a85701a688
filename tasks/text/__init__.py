"""Texts as such, for every stage that reads them: markup, characters, lines, personal data."""
