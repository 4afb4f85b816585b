"""The verbs: what happens to a letter, in the order of docs/flow.md. Async over ports; names no library."""
