"""`dedup`: of documents that say the same, the earliest stays."""
