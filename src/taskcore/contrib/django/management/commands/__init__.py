"""``taskcore_worker``, ``taskcore_status`` and the others; each is a module of its own, as Django wants."""
