"""A market: customers order, and prices are gathered from many places."""
