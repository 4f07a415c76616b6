"""Files from elsewhere: what is known of each, and how it is found, fetched and verified."""
