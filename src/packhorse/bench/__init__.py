"""Everything that measures. The library above it never imports this package."""
