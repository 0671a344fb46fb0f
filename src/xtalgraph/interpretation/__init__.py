"""Which site and which element carries a prediction."""
