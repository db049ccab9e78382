"""The names of levels are those that Python's logging knows."""

import logging

from cri_shim.log.levels import FORMATS, LEVELS


def test_every_level_is_one_of_logging() -> None:
    assert all(isinstance(logging.getLevelName(level.upper()), int) for level in LEVELS)
    assert FORMATS == ("text", "json")
