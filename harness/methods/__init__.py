"""What a fusion method is: its folder, its contract, its weights."""
