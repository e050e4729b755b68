"""Octets to values and back; imports no socket, no clock and no logger."""
