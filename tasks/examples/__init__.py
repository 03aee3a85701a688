"""Reads a labelled set, checks every example, and splits it for fine-tuning."""
