"""The tile store: scenes are cut into tiles, and arrays hold the tiles."""
