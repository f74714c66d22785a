#!/usr/bin/env python
"""Continue a text with a trained model: scripts/sample.py runs/text-1 --prime "The "."""

import sys

if __name__ == "__main__":
    try:
        from lstm_lm.sample_cli import main

        main()
    except KeyboardInterrupt:  # while packages are imported; later, main answers it
        sys.exit(130)
