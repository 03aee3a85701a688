"""What tests of remote sources share."""

from s3_server import moto, s3  # noqa: F401
