"""Training of every trainable method, with exact restarts and repeatable numbers."""
