"""How the tables have come to be."""
