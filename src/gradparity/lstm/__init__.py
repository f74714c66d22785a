"""The LSTM's equations as data: F1–F9, B1–B11, their factors, and what each makes of a batch."""
