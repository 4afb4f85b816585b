"""Eyes: how the gateway sees itself, and shows it to monitoring, to systemd and to its own listeners."""
