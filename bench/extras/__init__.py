"""What is measured beside the timed requests: growth, imports, memory, the start, crowds, slow clients."""
