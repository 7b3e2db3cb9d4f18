"""The ground every other package stands on: errors, rates, identities, and the one door to models."""
