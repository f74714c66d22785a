"""What is known of a record: which values are true quantities, how they follow from each other."""
