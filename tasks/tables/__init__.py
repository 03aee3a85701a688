"""Canonical Parquet: the same rows are the same bytes, whatever batches they came in."""
