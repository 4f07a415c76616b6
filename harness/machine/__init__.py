"""This computer: devices, GPUs, and a process of its own for a method, which may crash."""
