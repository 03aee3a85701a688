"""What tests against real servers share."""

from postgres_server import postgres  # noqa: F401
