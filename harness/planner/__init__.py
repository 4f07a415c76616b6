"""Forecast of a configuration: its jobs, their cost measured here, and their schedule."""
