"""The shape of a capture: sizes, shares and ratios, never content."""
