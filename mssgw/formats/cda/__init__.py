"""CDA R2 documents: the rules that they are held against, and the making of documents for tests."""
