"""The client outside: it writes to and reads from a zone while a fault happens, and judges what it saw."""
