"""Models: one client for all roles, its records, and the endpoints."""
