"""One command line a stage; the module has the name of the workflow's rule."""
