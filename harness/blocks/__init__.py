"""Everything that a method may build its network and losses from."""
