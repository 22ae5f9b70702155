"""The command line: parses, wires and prints. Heavy imports wait until a command needs them."""
