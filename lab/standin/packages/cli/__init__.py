"""The stand-in's command line: as much of onezone and oneuser as a person needs to ask the zone."""
