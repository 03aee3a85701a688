"""Trains the tokenizer on a bounded sample of the training split."""
