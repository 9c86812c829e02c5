"""The stand-in: a test double of OpenNebula, for tests only."""
