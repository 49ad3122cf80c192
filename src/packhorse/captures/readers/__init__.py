"""The parts of the capture reader, in the bytes' way.

``source`` (a file that can be read twice) → ``expand`` (gzip, zstd, brotli) → ``text`` (encodings, what it looks like)
→ ``scan`` (structure: where the long list is, what is odd) → ``outline`` (all but that list) → ``entries`` (its
elements, one at a time, by ijson, with ``exact`` as the referee) → ``formats`` (its name).
:mod:`packhorse.captures.read` puts them together.
"""
