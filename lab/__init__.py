"""Nebula HA's lab: machines, package sources and a zone on one machine. Not part of the built collection."""
