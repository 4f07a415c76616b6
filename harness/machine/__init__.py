"""This computer: devices, GPUs, and processes that a method may crash in."""
