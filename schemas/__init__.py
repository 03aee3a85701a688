"""What passes between stages: configurations, manifests, table schemas and errors. No I/O happens here."""
