"""hack/deb: the files of the Debian package that are not the project's own.

- `man`: the manual pages, made from the command line's parser and the configuration's schema
"""
