#!/usr/bin/env python
"""Measure gradparity's backends against other libraries: see docs/performance.md."""

from benchmarks.cli import main

if __name__ == "__main__":
    main()
