"""The catalogues of the Django parts: complete, in step with the sources, and right where words are counted."""

from __future__ import annotations

import ast
import gettext
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils.translation import override
from django.utils.translation.template import templatize

import taskcore.contrib.django as admin_app
import taskcore_backends.django as tables_app
from taskcore import every
from taskcore.contrib.django.admin._looks import BADGES, duration_words
from taskcore.contrib.django.admin._schedule_words import trigger_words
from taskcore.protocol import Phase

LANGUAGES = ("de", "fr", "es", "pt_BR", "ru", "zh_Hans")
APPS = tuple(Path(app.__file__).parent for app in (admin_app, tables_app))
CATALOGUES = [pytest.param(app, language, id=f"{app.parts[-3]}-{language}") for app in APPS for language in LANGUAGES]

FUNCTIONS = {"_", "gettext", "gettext_lazy", "ngettext", "ngettext_lazy", "pgettext", "pgettext_lazy"}
STRING = r"""u?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\")"""
CALL = re.compile(rf"(?<!\w)(_|n?p?gettext)\(\s*((?:{STRING})(?:\s*,\s*(?:{STRING}))*)")
PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]|%%|\{(\w*)\}")


def key_of(function, words):
    """The context, the text and its plural, as a catalogue has them; None is no text."""
    context = words.pop(0) if "pgettext" in function else None
    return (context, words[0], words[1] if function.lstrip("p").startswith("ngettext") else None)


def in_module(path):
    """The texts that a module asks for."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in FUNCTIONS:
            words = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            assert words, f"{path}:{node.lineno}: only text that stands there can be translated"
            yield key_of(node.func.id, words)


def in_template(path):
    """The texts that a template asks for."""
    for function, words in CALL.findall(templatize(path.read_text(encoding="utf-8"))):
        yield key_of(function, [ast.literal_eval(one) for one in re.findall(STRING, words)])


def in_sources(app):
    """All texts of an app."""
    found = {key for path in app.rglob("*.py") for key in in_module(path)}
    return found | {key for path in app.rglob("*.html") for key in in_template(path)}


def entries(app, language):
    """What the readable catalogue says: for each text its translation, or translations for numbers."""
    found, fields, last = {}, {}, ""
    text = (app / "locale" / language / "LC_MESSAGES" / "django.po").read_text(encoding="utf-8")
    assert "#, fuzzy" not in text
    for line in [*text.splitlines(), ""]:
        if line.startswith("#"):
            continue
        if line.startswith('"'):
            fields[last] += ast.literal_eval(line)
        elif line:
            last, _, words = line.partition(" ")
            fields[last] = ast.literal_eval(words)
        elif fields:
            key = (fields.get("msgctxt"), fields["msgid"], fields.get("msgid_plural"))
            found[key] = [words for name, words in fields.items() if name.startswith("msgstr")]
            fields = {}
    return found


def translations(app, language):
    """The readable catalogue without its head."""
    return {key: words for key, words in entries(app, language).items() if key[1]}


def placeholders(text):
    """The names that are filled in, sorted."""
    return sorted(match.group(0) for match in PLACEHOLDER.finditer(text))


@pytest.mark.parity("DQ-18", "DCR-18")
@pytest.mark.parametrize(("app", "language"), CATALOGUES)
def test_catalogues_have_what_the_sources_ask_for(app, language):
    """No text is missing, none is left over, and none is without words.

    To bring them up to date: ``django-admin makemessages --all --add-location never --no-wrap`` in the app, translate,
    and ``django-admin compilemessages``.
    """
    found = translations(app, language)
    assert in_sources(app) == set(found)
    assert [] == [key for key, words in found.items() if not all(words)]


@pytest.mark.parametrize(("app", "language"), CATALOGUES)
def test_translations_have_the_same_placeholders(app, language):
    """Each translation fills in what the text does; only a form for one number alone may leave the number out."""
    wrong = []
    for (_context, text, plural), words in translations(app, language).items():
        for place, one in enumerate(words):
            allowed = [placeholders(plural or text)]
            if plural is not None and place == 0 and language != "ru":
                allowed.append(placeholders(text))
            if placeholders(one) not in allowed:
                wrong.append((text, one))
    assert [] == wrong


@pytest.mark.parametrize(("app", "language"), CATALOGUES)
def test_compiled_catalogues_are_those_that_can_be_read(app, language):
    """The compiled file says what the readable one does."""
    expected = {}
    for (context, text, plural), words in entries(app, language).items():
        key = text if context is None else f"{context}\x04{text}"
        expected.update({key: words[0]} if plural is None else {(key, place): one for place, one in enumerate(words)})
    with (app / "locale" / language / "LC_MESSAGES" / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)._catalog
    assert expected == compiled


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("de", ("1 Tag", "2 Tage", "21 Tage")),
        ("fr", ("1 jour", "2 jours", "21 jours")),
        ("es", ("1 día", "2 días", "21 días")),
        ("pt-br", ("1 dia", "2 dias", "21 dias")),
        ("ru", ("1 день", "2 дня", "21 день")),
        ("zh-hans", ("1 天", "2 天", "21 天")),
    ],
)
def test_words_are_counted_as_the_language_does(language, expected):
    """Each language has its own forms for one, two and twenty-one."""
    with override(language):
        assert expected == tuple(duration_words(timedelta(days=days)) for days in (1, 2, 21))


def test_words_and_triggers_in_another_language():
    """Badges and triggers are said in the language of whoever asks."""
    with override("ru"):
        assert ("Выполняется", "раз в 21 минуту") == (
            str(BADGES[Phase.RUNNING].word),
            trigger_words(every(timedelta(minutes=21))),
        )
