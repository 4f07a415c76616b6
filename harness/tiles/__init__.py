"""The tile store: scenes cut into tiles, and the arrays that hold them."""
