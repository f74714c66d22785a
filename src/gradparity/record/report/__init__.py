"""What is said of a recording: findings, in words, on a terminal, in a figure."""
