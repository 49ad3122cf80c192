r"""Encoders: one small module per library and style, each with ``make(chunk=...)`` and ``core_version()``.

What they share: :mod:`.plain` (the standard library's word on odd values), :mod:`.split` (entry by entry), :mod:`.read`
(decoding). All JSON encoders agree on these points:

* compact separators, as ``JSON.stringify`` writes;
* NaN and the infinities become ``null``, as in ``JSON.stringify``: the fast libraries do so by themselves;
* lone surrogates are written as ``\ud800`` escapes, integers of any size in full, keys that are numbers, booleans or
  None as the text the standard library gives them. Where a fast library refuses these, that value (or that entry) is
  written by the standard library instead;
* cycles, nesting beyond what the standard library can follow, and foreign types end in CaptureError.

Some libraries also write types that JSON does not have (bytes, dates, sets). That is outside the contract.
"""
