"""Composition: configuration, the daemon, the command line, telemetry."""
