"""Reads files that others wrote: gzip, encodings, JSON lines, Parquet. What cannot be read is named, with its line."""
