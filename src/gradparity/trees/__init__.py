"""Hold two trees of arrays to each other: when two leaves are equal, and what is said if not."""
