"""The testbed as an endpoint kind."""
