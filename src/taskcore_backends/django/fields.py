"""What is the same on every database: exact texts, moments and durations in whole microseconds, indexes of one state.

A moment is a number, so that it is the same whatever ``USE_TZ``, the time zone of a session, and the precision of the
database's own type are. The models show it as an aware datetime, and filter by one.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import models

from taskcore.records.columns import duration, micros, moment, span

__all__ = ["DocumentField", "ExactField", "MomentField", "SpanField", "StateIndex"]


if TYPE_CHECKING:
    _CharField = models.CharField[str, str]
    _TextField = models.TextField[str, str]
    _MomentBase = models.BigIntegerField[datetime, datetime]
    _SpanBase = models.BigIntegerField[timedelta, timedelta]
else:  # at run time the fields of Django are no generics
    _CharField, _TextField = models.CharField, models.TextField
    _MomentBase = _SpanBase = models.BigIntegerField


def _exact_collation(connection: Any) -> str | None:  # noqa: ANN401 - a DatabaseWrapper of any vendor
    """Return the collation that compares code points, trailing blanks included; ``None`` where that is the default."""
    if connection.vendor == "postgresql":
        return "C"
    if connection.vendor == "mysql":
        return "utf8mb4_nopad_bin" if connection.mysql_is_mariadb else "utf8mb4_0900_bin"
    return None


class ExactField(_CharField):
    """A text that equals only itself, and sorts by code points, on every database."""

    def db_parameters(self, connection: Any) -> Any:  # noqa: ANN401 - as in Django
        """Add the collation."""
        return {**super().db_parameters(connection), "collation": _exact_collation(connection)}

    def db_type(self, connection: Any) -> str | None:  # noqa: ANN401 - as in Django
        """Return a type for which PostgreSQL gets no second index for LIKE: that of "C" serves it."""
        if connection.vendor == "postgresql":
            return f"character varying({self.max_length})"
        return super().db_type(connection)


class DocumentField(_TextField):
    """A text of any length, as it was given: MySQL has to be told that it is all of Unicode."""

    def db_parameters(self, connection: Any) -> Any:  # noqa: ANN401 - as in Django
        """Add the collation."""
        collation = _exact_collation(connection) if connection.vendor == "mysql" else None
        return {**super().db_parameters(connection), "collation": collation}


class MomentField(_MomentBase):
    """A moment: microseconds since 1970 in UTC."""

    def from_db_value(self, value: int | None, _expression: object, _connection: object) -> datetime | None:
        """Return an aware datetime."""
        return None if value is None else moment(value)

    def get_prep_value(self, value: Any) -> int | None:  # noqa: ANN401 - what a filter is given
        """Take a datetime, or the number."""
        return micros(value) if isinstance(value, datetime) else super().get_prep_value(value)

    def to_python(self, value: Any) -> datetime | None:  # noqa: ANN401 - what a form or a fixture gives
        """Take a datetime, or the number."""
        if value is None or isinstance(value, datetime):
            return value
        return moment(int(value))

    def value_to_string(self, obj: models.Model) -> str:
        """Return the number, for fixtures."""
        value = self.get_prep_value(self.value_from_object(obj))
        return "" if value is None else str(value)


class SpanField(_SpanBase):
    """A duration in microseconds."""

    def from_db_value(self, value: int | None, _expression: object, _connection: object) -> timedelta | None:
        """Return a timedelta."""
        return None if value is None else duration(value)

    def get_prep_value(self, value: Any) -> int | None:  # noqa: ANN401 - what a filter is given
        """Take a timedelta, or the number."""
        return span(value) if isinstance(value, timedelta) else super().get_prep_value(value)

    def to_python(self, value: Any) -> timedelta | None:  # noqa: ANN401 - what a form or a fixture gives
        """Take a timedelta, or the number."""
        if value is None or isinstance(value, timedelta):
            return value
        return duration(int(value))

    def value_to_string(self, obj: models.Model) -> str:
        """Return the number, for fixtures."""
        value = self.get_prep_value(self.value_from_object(obj))
        return "" if value is None else str(value)


class StateIndex(models.Index):
    """An index of the tasks with one code: partial where the database can, else led by the code.

    Led by a column that is the same in all of a partial index, PostgreSQL would read all of it: it leaves out of its
    search what the condition says already.
    """

    def __init__(self, *, code: int | None = None, **options: Any) -> None:  # noqa: ANN401 - those of an index
        if code is not None:
            options["condition"] = models.Q(code=code)
        self.code = code
        super().__init__(**options)

    def deconstruct(self) -> Any:  # noqa: ANN401 - as in Django
        """Give the code in the place of the condition."""
        path, expressions, options = super().deconstruct()
        options.pop("condition", None)
        return path, expressions, {**options, "code": self.code}

    def create_sql(self, model: Any, schema_editor: Any, using: str = "", **options: Any) -> Any:  # noqa: ANN401
        """Return the statement for the database at hand."""
        if schema_editor.connection.features.supports_partial_indexes:
            return super().create_sql(model, schema_editor, using, **options)
        whole = models.Index(fields=["code", *self.fields], name=self.name)
        return whole.create_sql(model, schema_editor, using, **options)
