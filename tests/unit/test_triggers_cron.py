"""Cron expressions: what is read and how, what is refused and how the error says so, and how they are described."""

import subprocess
import sys
from datetime import datetime, timedelta, timezone
from time import perf_counter

import pytest
from croniter import croniter

from taskcore._triggers import cron
from taskcore.errors import InvalidSchedule


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


def texts(slots):
    return [slot.strftime("%Y-%m-%d %H:%M") for slot in slots]


# 2026-01-01 is a Thursday.
MEANINGS = [
    ("0 0 * * *", ["2026-01-02 00:00", "2026-01-03 00:00"]),
    ("*/25 12 1 1 *", ["2026-01-01 12:00", "2026-01-01 12:25", "2026-01-01 12:50", "2027-01-01 12:00"]),
    ("50/5 12 1 1 *", ["2026-01-01 12:50", "2026-01-01 12:55", "2027-01-01 12:50"]),
    ("59/15 12 1 1 *", ["2026-01-01 12:59", "2027-01-01 12:59"]),
    ("5-5 12 1 1 *", ["2026-01-01 12:05", "2027-01-01 12:05"]),
    ("10-40/15 12 1 1 *", ["2026-01-01 12:10", "2026-01-01 12:25", "2026-01-01 12:40", "2027-01-01 12:10"]),
    ("0 22-1 * * *", ["2026-01-01 01:00", "2026-01-01 22:00", "2026-01-01 23:00", "2026-01-02 00:00"]),
    ("0 22-4/3 * * *", ["2026-01-01 01:00", "2026-01-01 04:00", "2026-01-01 22:00", "2026-01-02 01:00"]),
    ("0 0 1 nov-feb/2 *", ["2026-11-01 00:00", "2027-01-01 00:00", "2027-11-01 00:00"]),
    ("0 0 * * 0", ["2026-01-04 00:00", "2026-01-11 00:00"]),
    ("0 0 * * 7", ["2026-01-04 00:00", "2026-01-11 00:00"]),
    ("0 0 * * SUN", ["2026-01-04 00:00", "2026-01-11 00:00"]),
    ("0 0 * * 5-7", ["2026-01-02 00:00", "2026-01-03 00:00", "2026-01-04 00:00", "2026-01-09 00:00"]),
    ("0 0 * * 5-7/2", ["2026-01-02 00:00", "2026-01-04 00:00", "2026-01-09 00:00"]),
    ("0 0 * * 7-1", ["2026-01-04 00:00", "2026-01-05 00:00", "2026-01-11 00:00"]),
    ("0 0 * * sat-mon", ["2026-01-03 00:00", "2026-01-04 00:00", "2026-01-05 00:00", "2026-01-10 00:00"]),
    ("0 0 * * Mon-Fri", ["2026-01-02 00:00", "2026-01-05 00:00"]),
    (
        "0 0 * jan,mar 1",
        ["2026-01-05 00:00", "2026-01-12 00:00", "2026-01-19 00:00", "2026-01-26 00:00", "2026-03-02 00:00"],
    ),
    ("0 0 31 * *", ["2026-01-31 00:00", "2026-03-31 00:00", "2026-05-31 00:00"]),
    ("0 0 29 2 *", ["2028-02-29 00:00", "2032-02-29 00:00"]),
    ("0 0 L * *", ["2026-01-31 00:00", "2026-02-28 00:00", "2026-03-31 00:00"]),
    ("0 0 15,L 2 *", ["2026-02-15 00:00", "2026-02-28 00:00", "2027-02-15 00:00"]),
    ("0 0 15W * *", ["2026-01-15 00:00", "2026-02-16 00:00", "2026-03-16 00:00", "2026-04-15 00:00"]),
    ("0 0 W1 * *", ["2026-02-02 00:00", "2026-03-02 00:00", "2026-04-01 00:00"]),
    ("0 0 1W 8 *", ["2026-08-03 00:00", "2027-08-02 00:00"]),
    ("0 0 31W 1,5 *", ["2026-01-30 00:00", "2026-05-29 00:00"]),
    ("0 0 31W 6 *", ["2026-06-30 00:00", "2027-06-30 00:00"]),
    ("0 0 4,15W 1 *", ["2026-01-04 00:00", "2026-01-15 00:00"]),
    ("0 0 * * fri#3", ["2026-01-16 00:00", "2026-02-20 00:00"]),
    ("0 0 * * 5#1,5#5", ["2026-01-02 00:00", "2026-01-30 00:00", "2026-02-06 00:00", "2026-03-06 00:00"]),
    ("0 0 * * 7#2", ["2026-01-11 00:00", "2026-02-08 00:00"]),
    ("0 0 * * sat-mon#1", ["2026-01-03 00:00", "2026-01-04 00:00", "2026-01-05 00:00", "2026-02-01 00:00"]),
    ("0 0 * * L5", ["2026-01-30 00:00", "2026-02-27 00:00"]),
    ("0 0 * * L6", ["2026-01-31 00:00", "2026-02-28 00:00", "2026-03-28 00:00", "2026-04-25 00:00"]),
    ("0 0 * * 5L", ["2026-01-30 00:00", "2026-02-27 00:00"]),
    ("0 0 * * Lfri,L7", ["2026-01-25 00:00", "2026-01-30 00:00", "2026-02-22 00:00", "2026-02-27 00:00"]),
    ("0 0 * 2 mon#5", ["2044-02-29 00:00", "2072-02-29 00:00", "2112-02-29 00:00"]),
    ("0 0 29 2 1#5", ["2028-02-29 00:00", "2032-02-29 00:00"]),
    ("0 0 13 * 5", ["2026-01-02 00:00", "2026-01-09 00:00", "2026-01-13 00:00", "2026-01-16 00:00"]),
    ("0 0 ? * 5", ["2026-01-02 00:00", "2026-01-09 00:00"]),
    ("0 0 13 * ?", ["2026-01-13 00:00", "2026-02-13 00:00"]),
    ("0 0 */2 * 1", ["2026-01-05 00:00", "2026-01-19 00:00", "2026-02-09 00:00"]),
    ("0 0 13 * */5", ["2026-02-13 00:00", "2026-03-13 00:00", "2026-09-13 00:00", "2026-11-13 00:00"]),
    ("0 0 *,5 * 5", ["2026-01-02 00:00", "2026-01-09 00:00"]),
    ("@yearly", ["2027-01-01 00:00", "2028-01-01 00:00"]),
    ("@annually", ["2027-01-01 00:00"]),
    ("@monthly", ["2026-02-01 00:00", "2026-03-01 00:00"]),
    ("@weekly", ["2026-01-04 00:00", "2026-01-11 00:00"]),
    ("@daily", ["2026-01-02 00:00"]),
    ("@Midnight", ["2026-01-02 00:00"]),
    ("@hourly", ["2026-01-01 01:00", "2026-01-01 02:00"]),
    ("  0\t3  * * *\n", ["2026-01-01 03:00", "2026-01-02 03:00"]),
]


@pytest.mark.parity("DQ-24", "DJC-04")
@pytest.mark.parametrize(("expression", "expected"), MEANINGS, ids=[row[0] for row in MEANINGS])
def test_what_an_expression_means(expression, expected):
    """The slots after midnight of New Year 2026 are those that cron would have."""
    actual = cron(expression).preview(utc("2026-01-01"), len(expected))

    assert expected == texts(actual)


REFUSED = [
    ("0 0 31 2 *", "can never fire"),
    ("0 0 30 2 *", "can never fire"),
    ("0 0 31 2,4,6,9,11 *", "can never fire"),
    ("0 0 30-31 feb ?", "can never fire"),
    ("", "is empty"),
    ("  \t ", "is empty"),
    ("0 0 * *", "has 4 fields"),
    ("0", "has 1 field:"),
    ("0 0 * * * *", "every(timedelta(seconds=...))"),
    ("0 0 * * * * *", "has 7 fields"),
    ("60 * * * *", "field minute: '60' is out of range: 0 to 59"),
    ("* 24 * * *", "field hour: '24' is out of range: 0 to 23"),
    ("* * 0 * *", "field day of month: '0' is out of range: 1 to 31"),
    ("* * 32 * *", "field day of month: '32' is out of range"),
    ("* * 0W * *", "field day of month: '0w' is out of range"),
    ("* * 32W * *", "field day of month: '32w' is out of range"),
    ("* * * 0 *", "field month: '0' is out of range: 1 to 12"),
    ("* * * 13 *", "field month: '13' is out of range"),
    ("* * * * 8", "field day of week: '8' is out of range: 0 to 7"),
    ("* * * * 1#0", "1 to 5 times"),
    ("* * * * 1#6", "1 to 5 times"),
    ("* * * * L8", "field day of week: 'l8' is out of range"),
    ("* * * * L", "needs a weekday"),
    ("* * * * 1,5#3", "mixes weekdays"),
    ("* * * * *,L5", "mixes weekdays"),
    ("5-60 * * * *", "field minute: '5-60' is out of range"),
    ("*/0 * * * *", "field minute: '*/0' has a step out of range: 1 to 60"),
    ("*/90 * * * *", "every(timedelta(...))"),
    ("0 */25 * * *", "field hour: '*/25' has a step out of range"),
    ("*-5 * * * *", "* stands for the whole range"),
    ("-5 * * * *", "field minute: '-5' is not understood"),
    ("1.5 * * * *", "field minute: '1.5' is not understood"),
    ("1- * * * *", "field minute: '1-' is not understood"),
    ("*/ * * * *", "field minute: '*/' is not understood"),
    ("*/-1 * * * *", "field minute: '*/-1' is not understood"),
    ("1/2/3 * * * *", "field minute: '1/2/3' is not understood"),
    ("1,,2 * * * *", "field minute: '1,,2' has an empty place"),
    (", * * * *", "has an empty place"),
    ("? * * * *", "field minute: '?' is not understood"),
    ("L * * * *", "field minute: 'l' is not understood"),
    ("mon * * * *", "this field takes no names"),
    ("* * * foo *", "names here are jan, feb"),
    ("* * * * monday", "names here are sun, mon"),
    ("* * * * jan", "names here are sun, mon"),
    ("* * LW * *", "field day of month: 'lw' is not understood"),
    ("* * L-3 * *", "field day of month: 'l-3' is not understood"),
    ("H * * * *", "field minute: 'h' is not understood"),
    ("R * * * *", "field minute: 'r' is not understood"),
    ("H(0-29)/10 * * * *", "is not understood"),
    ("@reboot", "no known short form"),
    ("@every 5m", "no known short form"),
    ("@", "no known short form"),
    ("٣ * * * *", "use plain ASCII"),
    ("0\u00a00 * * *", "use plain ASCII"),
    ("0 0 * * *\n0 1 * * *", "use plain ASCII"),
    ("0 0 * * \x00", "use plain ASCII"),
    ("* " * 200, "has 400 characters"),
    (",".join(["*/7"] * 100) + " * * * *", "256 are the most"),
    ("99999999999999999999 * * * *", "is not understood"),
    ("0-99999999999999999999 * * * *", "is not understood"),
    ("1-2" * 50 + " * * * *", "is not understood"),
    (None, "is no text"),
    (b"* * * * *", "is no text"),
    (5, "is no text"),
]


@pytest.mark.parity("DQ-26", "DJC-04")
@pytest.mark.parametrize(("expression", "words"), REFUSED, ids=[repr(row[0])[:40] for row in REFUSED])
def test_what_is_refused(expression, words):
    """An expression that cannot be is refused when it is made, and the error says what and where."""
    with pytest.raises(InvalidSchedule) as caught:
        cron(expression)

    assert words in str(caught.value)
    assert len(str(caught.value)) < 800


@pytest.mark.parametrize(
    "tz",
    [
        *("Nope/Nowhere", "europe/berlin ", "Europe", "", "../etc/passwd", "/etc/passwd", "Europe/../UTC", "a" * 5000),
        *("x\0y", "right/UTC", "posixrules", "localtime", "leapseconds", "zone.tab", "Europe/Berlin/", None, 5),
    ],
    ids=lambda tz: repr(tz)[:24],
)
def test_zone_that_does_not_exist(tz):
    """A zone that is no zone of the tz database is refused, and nothing outside of that is read."""
    with pytest.raises(InvalidSchedule, match="time zone"):
        cron("0 0 * * *", tz=tz)


@pytest.mark.parametrize("expression", ["* * * 2 1#5", "0 0 29 2 ?", "59 23 31 12 *", "0 0 W29 2 7#5", "* 3 29 2 */7"])
@pytest.mark.parametrize("tz", ["UTC", "Europe/Berlin", "Africa/Casablanca"])
def test_rare_ones_answer_quickly(expression, tz):
    """The rarest expressions that are possible answer within a second from anywhere, to the end of the calendar."""
    begin = perf_counter()
    trigger = cron(expression, tz=tz)
    for year in (1, 1896, 2026, 2096, 9990, 9999):
        trigger.next_after(datetime(year, 3, 1, tzinfo=timezone.utc))

    assert perf_counter() - begin < 6


@pytest.mark.parametrize(
    "expression", ["0-59 0-23 1-31 1-12 0-7", "0 0 1,2,3,4,5,6,7,8,9 * *", "1-59/2,2-58/2 * * * *"]
)
def test_long_lists_mean_what_they_say(expression):
    """Lists and ranges that cover much agree with croniter, which was made for them."""
    start = datetime(2026, 1, 1)
    other = croniter(expression, start)
    expected = [other.get_next(datetime).replace(tzinfo=timezone.utc) for _ in range(50)]

    assert expected == list(cron(expression).preview(utc("2026-01-01"), 50))


def test_end_of_the_calendar():
    """After the last slot that a datetime can hold there is none."""
    trigger = cron("0 0 31 12 *")

    assert utc("9999-12-31") == trigger.next_after(utc("9999-12-30"))
    assert trigger.next_after(utc("9999-12-31")) is None


@pytest.mark.parametrize("tz", ["UTC", "Pacific/Kiritimati", "Etc/GMT+12", "Europe/Berlin"])
@pytest.mark.parametrize("expression", ["* * * * *", "0 0 * * *"])
def test_ends_of_what_a_datetime_holds(tz, expression):
    """The first and the last moment of all datetimes can be asked about in every zone."""
    trigger = cron(expression, tz=tz)

    first = trigger.next_after(datetime.min.replace(tzinfo=timezone.utc))
    assert first is not None
    assert first < datetime(1, 1, 6, tzinfo=timezone.utc)
    assert trigger.next_after(datetime.max.replace(tzinfo=timezone.utc)) is None
    assert trigger.next_after(datetime.max.replace(tzinfo=timezone(timedelta(hours=-12)))) is None
    assert first == trigger.next_after(datetime.min.replace(tzinfo=timezone(timedelta(hours=12))))


def test_naive_moment():
    """A naive moment is refused."""
    with pytest.raises(InvalidSchedule, match="no time zone"):
        cron("* * * * *").next_after(datetime(2026, 1, 1))


def test_moment_in_another_zone():
    """An aware moment of any zone is understood, and the slot comes back in UTC."""
    slot = cron("0 3 * * *").next_after(datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=5))))

    assert utc("2026-01-01 03:00") == slot
    assert slot is not None
    assert timezone.utc is slot.tzinfo


def test_compared_by_value():
    """Equal expression and zone make equal triggers, spaces apart; others differ."""
    assert cron("0 3 * * *", tz="Europe/Berlin") == cron("0  3 * *  *", tz="Europe/Berlin")
    assert hash(cron("0 3 * * *")) == hash(cron(" 0 3 * * *"))
    assert cron("0 3 * * *") != cron("0 3 * * *", tz="Europe/Berlin")
    assert cron("0 3 * * *") != cron("0 4 * * *")


DESCRIPTIONS = [
    ("* * * * *", "every minute"),
    ("*/10 * * * *", "every 10 minutes"),
    ("*/7 12 * * *", "every hour at minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56 from 12:00 to 12:59"),
    ("0 * * * *", "every hour"),
    ("15 * * * *", "every hour at minute 15"),
    ("0 */2 * * *", "every 2 hours"),
    ("5,35 * * * *", "every hour at minutes 5 and 35"),
    ("0 3 * * *", "every day at 03:00"),
    ("0,30 3,15 * * *", "every day at 03:00, 03:30, 15:00 and 15:30"),
    ("*/5 9-17 * * 1-5", "every 5 minutes from 09:00 to 17:59, every Monday to Friday"),
    ("0 9-17 * * *", "every hour from 09:00 to 17:59"),
    ("0 9 * * 1,5", "every Monday and Friday at 09:00"),
    ("0 9 * 1-3 0,6", "every Saturday and Sunday in January to March at 09:00"),
    ("0 9 31 * *", "on the 31st of every month at 09:00"),
    ("0 9 1,2,3,22 6 *", "on the 1st to 3rd and 22nd of June at 09:00"),
    ("0 9 L * *", "on the last day of every month at 09:00"),
    ("0 9 15W * *", "on the weekday nearest to the 15th of every month at 09:00"),
    ("0 9 * * 5#3", "on the third Friday of every month at 09:00"),
    ("0 9 * 5 L1", "on the last Monday of May at 09:00"),
    ("0 9 13 * 5", "on the 13th of every month or every Friday at 09:00"),
    ("0 9 1-7 * */7", "on the 1st to 7th of every month if that is Sunday at 09:00"),
    ("0 0 * 12 *", "every day in December at 00:00"),
    ("@daily", "every day at 00:00"),
]


@pytest.mark.parity("DJC-04", "DJC-18")
@pytest.mark.parametrize(("expression", "expected"), DESCRIPTIONS, ids=[row[0] for row in DESCRIPTIONS])
def test_described_in_words(expression, expected):
    """A cron trigger says in plain words when it fires."""
    assert expected == cron(expression).describe()


def test_description_names_the_zone():
    """The zone is named when it is not UTC."""
    assert "every day at 03:00 (Europe/Berlin)" == cron("0 3 * * *", tz="Europe/Berlin").describe()


def test_croniter_is_loaded_when_a_cron_is_made():
    """Importing the triggers does not load croniter, which is slow; making the first cron trigger does."""
    code = (
        "import sys, taskcore._triggers as triggers\n"
        "before = 'croniter' in sys.modules\n"
        "triggers.cron('* * * * *')\n"
        "print(before, 'croniter' in sys.modules)"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert "False True" == output.strip()
