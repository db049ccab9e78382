"""The names of the levels and forms of the log, as the configuration has them."""

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")
