"""One command line a rule of the workflow that makes part of the report."""
