"""The control socket: Varlink."""
