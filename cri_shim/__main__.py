"""`python -m cri_shim`: the command line."""

import sys

from cri_shim.cli import main

if __name__ == "__main__":
    sys.exit(main())
