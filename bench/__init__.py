"""How fast it is, measured: needs root and gcc, loads the machine, is no test."""
