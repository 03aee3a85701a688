"""Languages and splits: names that every stage shares, without bringing pyarrow."""

LANGUAGES = ("en", "zh")
"""Languages that the pipeline serves; texts in others are dropped by `clean` with a reason."""

SPLITS = ("train", "valid", "test")
