"""Run one method over the test tiles of one data set."""
