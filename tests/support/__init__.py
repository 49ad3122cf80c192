"""What only tests need: planted secrets, simulated clocks, fakes."""
