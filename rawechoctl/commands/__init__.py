"""One module a command: `run(client, arguments, output)` does it and returns the exit status."""
