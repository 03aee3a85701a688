"""Models from their shape: one spec for every architecture, built of transformers' own classes."""
