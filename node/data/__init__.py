"""What a department does with its data before anything reaches the chain."""
