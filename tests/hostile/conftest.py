"""A daemon for each test file; its pods are removed after each test."""

from tests.integration.conftest import cri, daemon, handler

__all__ = ["cri", "daemon", "handler"]
