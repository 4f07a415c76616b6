"""One command line per stage. Each module has the name of the workflow's rule."""
