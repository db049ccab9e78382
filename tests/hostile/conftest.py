"""A private daemon for each test file; see tests/integration/conftest.py."""

from tests.integration.conftest import cri, daemon, handler

__all__ = ["cri", "daemon", "handler"]
