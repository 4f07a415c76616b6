"""Tables, figures and the page, built from per-image tables without running any method."""
