"""`python -m ferdelance`: the command line, also installed as `fdl` and `ferdelance`."""

import sys

from ._cli import main

if __name__ == "__main__":
    sys.exit(main())
