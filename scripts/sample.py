#!/usr/bin/env python
"""Continue a text with a trained model: scripts/sample.py runs/text-1 --prime "The "."""

from lstm_lm.sample_cli import main

if __name__ == "__main__":
    main()
