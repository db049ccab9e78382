"""The HTTP edge: exec, attach and port-forward streams."""
