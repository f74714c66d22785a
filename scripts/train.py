#!/usr/bin/env python
"""Train an LSTM language model. Without options: aⁿbⁿ on the NumPy backend."""

import sys

if __name__ == "__main__":
    try:
        from lstm_lm.keep import signals

        signals.install()  # before packages are imported, which takes a while
    except KeyboardInterrupt:
        print("stopped before anything was begun")
        sys.exit(130)

    from lstm_lm.train_cli import main

    try:
        main()
    finally:
        signals.ignore()
