"""Changes one line of the code at random and asks whether a test notices."""
