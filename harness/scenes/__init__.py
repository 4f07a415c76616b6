"""What a data set is made of: scenes, labels, splits, and where the files lie."""
