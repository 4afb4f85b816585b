"""What the gateway says of itself: log lines that never hold a person."""
