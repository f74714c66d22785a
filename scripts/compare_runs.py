#!/usr/bin/env python
"""Hold the losses of runs to each other: scripts/compare_runs.py runs/one runs/other."""

import sys

if __name__ == "__main__":
    try:
        from lstm_lm.compare_cli import main

        main()
    except KeyboardInterrupt:  # while packages are imported; later, main answers it
        sys.exit(130)
