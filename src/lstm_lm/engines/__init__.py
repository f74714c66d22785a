"""One update: gradients by a backend, clipping, an optimiser, a learning rate."""
