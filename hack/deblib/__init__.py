"""hack/deb: what goes into the Debian package beside the project's own files.

- `man`: the manual pages, made from the command line's parser and from the configuration's schema
"""
