"""DjangoBackend does what every backend has to, as the shipped kit tells it, on every database."""

import pytest

from taskcore.testing import conformance

pytestmark = pytest.mark.integration


@pytest.mark.parity("C35-06")
@pytest.mark.parametrize("check", conformance.CHECKS, ids=lambda check: check.name)
def test_django_conforms(check, database):
    """Every check of the kit passes."""
    check(database.factory())
