"""What is done: one folder per stage, plus the store, the engine and what stages share."""
