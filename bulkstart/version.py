"""The program's own version, as the build has it."""

VERSION = "0.1.0"
