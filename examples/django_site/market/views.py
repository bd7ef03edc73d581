"""One page: it enqueues, and shows what has become of it."""

from __future__ import annotations

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from market.models import Order
from market.places import REGIONS
from market.tasks import confirm_order, harvest
from taskcore import TaskNotFound
from taskcore.contrib.django import client


@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """Show the newest orders, tasks and schedules."""
    site = client()
    now = site.backend.now()
    context = {
        "orders": Order.objects.order_by("-pk")[:10],
        "tasks": site.find(limit=20).items,
        "schedules": list(site.schedules()),
        "stats": site.stats(),
        "regions": REGIONS,
        "now": now,
    }
    return render(request, "market/index.html", context)


@require_POST
def order(request: HttpRequest) -> HttpResponse:
    """Take an order. It and its task are stored in one transaction: both or none."""
    with transaction.atomic():
        made = Order.objects.create(email=request.POST["email"], product=request.POST["product"])
        confirm_order.enqueue(made.pk)
    messages.success(request, f"Thank you: {made}.")
    return redirect("index")


@require_POST
def harvest_now(request: HttpRequest) -> HttpResponse:
    """Gather offers in the background."""
    keywords = [word.strip() for word in request.POST["keywords"].split(",") if word.strip()]
    client().enqueue(harvest, keywords, region=request.POST.get("region") or None, pause=0.5)
    return redirect("index")


@require_POST
def stop(request: HttpRequest, task_id: str) -> HttpResponse:
    """Ask a task to stop."""
    try:
        client().cancel(task_id)
    except TaskNotFound as error:
        messages.error(request, str(error))
    return redirect("index")
