#!/usr/bin/env python
"""Train an LSTM language model. Without options: aⁿbⁿ on the NumPy backend."""

import sys

if __name__ == "__main__":
    try:
        from lstm_lm.train_cli import main

        main()
    except KeyboardInterrupt:  # while packages are imported; later, main answers it
        sys.exit(130)
