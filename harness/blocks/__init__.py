"""Building blocks that a method may use for its network and its losses."""
