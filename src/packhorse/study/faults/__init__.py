"""``packhorse study faults``: the uploader under every fault of the lab, and what it then owes."""
