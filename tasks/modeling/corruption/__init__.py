"""Tasks made from plain text: what is hidden, and what must be predicted of it; a function of (seed, position)."""
