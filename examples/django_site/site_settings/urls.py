"""The pages: the market's own, and the admin."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path
from market import views

urlpatterns = [
    path("", views.index, name="index"),
    path("order/", views.order, name="order"),
    path("harvest/", views.harvest_now, name="harvest"),
    path("stop/<str:task_id>/", views.stop, name="stop"),
    path("admin/", admin.site.urls),
]
