"""Studies: experiments that put a figure on a promise. Each is a command with a result file."""
