"""The rulebook: one small pure function for each requirement, Facts in, Findings or nothing out."""
