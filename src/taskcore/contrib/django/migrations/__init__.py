"""Migrations of the copies."""
