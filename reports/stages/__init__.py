"""One command line per rule of the workflow that makes a part of the report."""
