"""The rulebook: one small pure function for each requirement, Facts in, Finding or nothing out."""
