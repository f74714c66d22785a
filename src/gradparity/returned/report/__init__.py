"""What was found, as data, on a terminal and in a figure."""
