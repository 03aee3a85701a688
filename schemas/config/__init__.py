"""One module per stage: what a user can set, with its limits and defaults."""
