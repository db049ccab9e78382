"""A daemon for each test file, its pods taken away after each test; each handler in turn."""

from tests.integration.conftest import cri, daemon, handler

__all__ = ["cri", "daemon", "handler"]
