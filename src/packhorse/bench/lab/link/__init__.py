"""A network between client and server on one machine: delay, bandwidth, service time, and what crossed it."""
