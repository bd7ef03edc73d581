"""What customers have ordered."""

from __future__ import annotations

from django.db import models


class Order(models.Model):
    """An order; a task confirms it."""

    email = models.EmailField()
    product = models.CharField(max_length=100)
    confirmed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.product} for {self.email}"
