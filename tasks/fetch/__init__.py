"""Brings what remote sources hold into the store, only what changed; afterwards they are read like local files."""
