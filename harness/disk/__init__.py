"""What lies on disk: files written whole, images, records with hashes, checked YAML."""
