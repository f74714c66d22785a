"""Which line computed a wrong quantity, recognised by the values that it made."""
