"""The testbed as a kind of endpoint."""
