"""The stand-in's web services: Sunstone, OneFlow and OneGate, as recorded. A test double, not OpenNebula."""

VERSION = "6.10.5"
