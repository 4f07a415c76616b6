"""Running one method over the test tiles."""
