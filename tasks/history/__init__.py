"""What happened to a document on its way through the stages, asked of their artifacts."""
