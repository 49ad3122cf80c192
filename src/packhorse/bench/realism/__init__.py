"""How close synthetic captures are to recorded ones."""
