"""What a data set consists of: scenes, labels, splits, and the places of its files."""
