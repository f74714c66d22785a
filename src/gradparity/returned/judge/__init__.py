"""The verdict: is the forward pass the standard one, are all gradients right, what is wrong."""
