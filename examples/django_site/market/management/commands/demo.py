"""``manage.py demo``: set the site up, give it something to do, and show it."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta

from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import transaction

from market.models import Order
from market.tasks import charge, confirm_order, count_orders, harvest
from taskcore import State, cron, every
from taskcore.contrib.django import client, worker

PASSWORD = "demo"


class Command(BaseCommand):
    """Makes the tables, a user, schedules and tasks; then works, and serves the site until Ctrl-C."""

    help = "Set the example up, run its tasks, and serve the site. With --burst: run the tasks and end."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add how long, and where."""
        parser.add_argument("--burst", action="store_true", help="end when the tasks are done, without serving")
        parser.add_argument("--port", type=int, default=8000, help="where the site is served on this machine")

    def handle(self, *_args: object, **options: object) -> None:
        """Do it."""
        call_command("migrate", verbosity=0)
        self._make_user()
        self._make_schedules()
        self._make_tasks()
        if options["burst"]:
            worker(concurrency=4, executor="threads").run(burst=True)
            self._tell()
            return
        address = f"http://127.0.0.1:{options['port']}"
        self.stdout.write(f"The site:   {address}/\nThe admin:  {address}/admin/ (user demo, password {PASSWORD})\n")
        self.stdout.write("To watch:   in the admin, Tasks, Start a task, harvest\n")
        self.stdout.write("Elsewhere:  python examples/django_site/manage.py taskcore_status --watch\n")
        with worker(concurrency=4):
            call_command("runserver", f"127.0.0.1:{options['port']}", use_reloader=False)

    def _make_user(self) -> None:
        if not User.objects.filter(username="demo").exists():
            User.objects.create_superuser("demo", "demo@example.org", PASSWORD)

    def _make_schedules(self) -> None:
        """Say what is to run when; doing it again changes nothing."""
        site = client()
        site.schedule("count orders", every(timedelta(seconds=10)), count_orders.bind())
        site.schedule("nightly harvest", cron("30 3 * * *", tz="Europe/Paris"), harvest.bind(["bovin", "porcin"]))

    def _make_tasks(self) -> None:
        with transaction.atomic():
            order = Order.objects.create(email="ada@example.org", product="a cow")
            confirm_order.enqueue(order.pk)
        charge.enqueue(order.pk)
        site = client()
        site.enqueue(harvest, ["bovin", "porcin"], region="Bretagne")
        site.enqueue(harvest.using(run_after=timedelta(minutes=5)), ["ovin"], prefecture="Calvados")
        site.enqueue(count_orders)

    def _tell(self) -> None:
        for task in client().iterate(states=[State.SUCCESSFUL, State.FAILED], is_oldest_first=True):
            result = task.result
            said = "" if result is None else result.value_json or (result.failure.message if result.failure else "")
            self.stdout.write(f"{task.state.value:<10} {task.name}: {said}\n")
        self.stdout.write("python examples/django_site/manage.py taskcore_status shows the rest.\n")
