#!/usr/bin/env python
"""Train an LSTM language model. Without options: aⁿbⁿ on the NumPy backend."""

from lstm_lm.train_cli import main

if __name__ == "__main__":
    main()
