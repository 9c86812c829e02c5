"""A test double of oned: it speaks the recorded XML-RPC, keeps its state in MariaDB and runs Raft between servers."""

VERSION = "6.10.5"
STANDIN = "1"
