"""The settings and pages of the example site."""
