#!/usr/bin/env python
"""Measure gradparity's backends against PyTorch, Flax and plain jax.grad: see docs/performance.md."""

from benchmarks.cli import main

if __name__ == "__main__":
    main()
