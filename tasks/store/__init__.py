"""Artifacts: objects by digest, manifests, keys, references, leases and run records. Knows nothing of Prefect."""
