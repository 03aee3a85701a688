"""Scores a model on its test split, beside trivial baselines and with intervals."""
