"""A daemon for each test file, its pods taken away after each test: as in the integration tests."""

from tests.integration.conftest import cri, daemon, handler

__all__ = ["cri", "daemon", "handler"]
