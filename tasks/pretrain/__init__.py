"""Pretrains a decoder on packed text."""
