"""The codecs: bytes to core values and back. No I/O."""
