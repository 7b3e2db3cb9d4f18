"""What is evolved: harness folders, their manifest, and reading them as immutable trees."""
