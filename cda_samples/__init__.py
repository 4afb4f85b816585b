"""Clinical documents of nobody: what the gateway takes, and what it refuses and why. ``python -m cda_samples``."""
