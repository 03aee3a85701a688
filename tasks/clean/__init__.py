"""Turns collected documents into clean text in a known language, and says of every one left out why."""
