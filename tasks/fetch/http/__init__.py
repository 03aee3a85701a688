"""Fetches pages and files over HTTP and HTTPS: politely, only what changed, and from nowhere it must not connect to."""
