"""One folder per data set: its adapter, its split and its data card."""
