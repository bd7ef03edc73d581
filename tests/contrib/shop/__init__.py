"""A site's app, for the tests of the Django parts."""
