"""What a configuration will take: jobs, their cost as measured here, and their schedule."""
