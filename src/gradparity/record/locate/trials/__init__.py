"""Changes tried with live values, solved for or granted, and judged by running with them."""
