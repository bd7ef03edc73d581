"""What tasks of the shop write."""

from django.db import models


class Order(models.Model):
    """Something that was bought."""

    name = models.CharField(max_length=100)
