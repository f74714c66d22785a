"""What the rooms share: a subject in its process, verdicts, what is written and drawn of them."""
