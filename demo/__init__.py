"""A real gateway between three small stand-ins, on loopback: ``make demo`` plays a story, ``make run`` stays up."""
