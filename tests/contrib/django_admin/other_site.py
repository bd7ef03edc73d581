"""Another admin site, with pages that somebody has made their own."""

from django.contrib import admin
from django.urls import path
from django.utils.html import format_html

from taskcore.contrib.django.admin import TaskAdmin, register
from taskcore_backends.django.models import Task
from tests.contrib.django_admin import jobs

site = admin.AdminSite(name="other")
register(site)


class ShopTaskAdmin(TaskAdmin):
    """As the documents of others show it: a column and an action more."""

    launches = (jobs.scraping,)
    list_display = (*TaskAdmin.list_display, "custom_field")
    actions = (*TaskAdmin.actions, "mark")

    @admin.display(description="custom")
    def custom_field(self, row):
        return format_html("<i>mine {}</i>", row.queue_name)

    @admin.action(description="Mark selected tasks", permissions=["requeue"])
    def mark(self, request, queryset):
        self.message_user(request, f"marked {queryset.count()}")


site.unregister(Task)
site.register(Task, ShopTaskAdmin)

urlpatterns = [path("admin/", admin.site.urls), path("other/", site.urls)]
