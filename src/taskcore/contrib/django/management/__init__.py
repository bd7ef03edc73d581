"""The management commands of taskcore."""
