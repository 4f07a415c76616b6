"""Training shared by every trainable method: exact restarts, repeatable numbers."""
