"""What the rooms share: a subject's address and process, and what commands write and draw."""
