"""What the site stores: entries that are read, and visits that are written."""

from django.db import models


class Entry(models.Model):
    title = models.CharField(max_length=200)
    body = models.TextField()
    visits = models.PositiveIntegerField(default=0)

    class Meta:
        app_label = "target"

    def __str__(self) -> str:
        return self.title


class Visit(models.Model):
    entry = models.ForeignKey(Entry, on_delete=models.CASCADE)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "target"

    def __str__(self) -> str:
        return f"{self.entry_id} at {self.at}"
