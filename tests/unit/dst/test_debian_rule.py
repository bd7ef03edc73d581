"""What cron triggers do when clocks change, row by row, worked out by hand from the rule of Debian's cron.

Fixed times inside a gap fire once at its end, inside a fold once on the first pass; wildcards follow real time.
"""

from datetime import datetime, timezone

import pytest

from taskcore._triggers import cron

BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"
TROLL, APIA, BEIRUT = "Antarctica/Troll", "Pacific/Apia", "Asia/Beirut"


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


# What the row shows, zone, expression, moment asked about, and the slots after it; all moments in UTC.
ROWS = [
    # Berlin 2026: 02:00 to 03:00 is left out on 29 March (01:00 UTC) and shown twice on 25 October (01:00 UTC).
    (
        "a fixed time in the gap fires at its end",
        BERLIN,
        "30 2 * * *",
        "2026-03-28 00:00",
        ["2026-03-28 01:30", "2026-03-29 01:00", "2026-03-30 00:30"],
    ),
    (
        "the first minute of the gap is in it",
        BERLIN,
        "0 2 * * *",
        "2026-03-28 00:00",
        ["2026-03-28 01:00", "2026-03-29 01:00", "2026-03-30 00:00"],
    ),
    (
        "the first minute after the gap is not in it",
        BERLIN,
        "0 3 * * *",
        "2026-03-28 02:30",
        ["2026-03-29 01:00", "2026-03-30 01:00"],
    ),
    (
        "several fixed times in the gap fire once",
        BERLIN,
        "0,15,30,45 2 * * *",
        "2026-03-28 02:00",
        ["2026-03-29 01:00", "2026-03-30 00:00", "2026-03-30 00:15"],
    ),
    (
        "a time in the gap and one at its end are one slot",
        BERLIN,
        "0 2,3 * * *",
        "2026-03-28 03:00",
        ["2026-03-29 01:00", "2026-03-30 00:00", "2026-03-30 01:00"],
    ),
    (
        "the end of the gap is not given twice",
        BERLIN,
        "30 2 * * *",
        "2026-03-29 01:00",
        ["2026-03-30 00:30"],
    ),
    (
        "a wildcard minute inside the gap does not fire",
        BERLIN,
        "*/30 2 * * *",
        "2026-03-28 02:00",
        ["2026-03-30 00:00", "2026-03-30 00:30"],
    ),
    (
        "steps go on evenly over the gap",
        BERLIN,
        "*/30 * * * *",
        "2026-03-29 00:15",
        ["2026-03-29 00:30", "2026-03-29 01:00", "2026-03-29 01:30"],
    ),
    (
        "a wildcard hour goes on evenly over the gap",
        BERLIN,
        "30 * * * *",
        "2026-03-29 00:00",
        ["2026-03-29 00:30", "2026-03-29 01:30", "2026-03-29 02:30"],
    ),
    (
        "a stepped hour inside the gap does not fire",
        BERLIN,
        "0 */2 * * *",
        "2026-03-28 22:30",
        ["2026-03-28 23:00", "2026-03-29 02:00", "2026-03-29 04:00"],
    ),
    (
        "a fixed time in the fold fires on its first pass only",
        BERLIN,
        "30 2 * * *",
        "2026-10-24 12:00",
        ["2026-10-25 00:30", "2026-10-26 01:30"],
    ),
    (
        "asked during the second pass, it is over",
        BERLIN,
        "30 2 * * *",
        "2026-10-25 01:15",
        ["2026-10-26 01:30"],
    ),
    (
        "the first minute after the fold fires once",
        BERLIN,
        "0 3 * * *",
        "2026-10-24 12:00",
        ["2026-10-25 02:00", "2026-10-26 02:00"],
    ),
    (
        "several fixed times in the fold fire once each",
        BERLIN,
        "0-59/20 2 * * *",
        "2026-10-24 12:00",
        ["2026-10-25 00:00", "2026-10-25 00:20", "2026-10-25 00:40", "2026-10-26 01:00"],
    ),
    (
        "a fixed list over the fold waits until the clocks are past it",
        BERLIN,
        "0,30 1-3 * * *",
        "2026-10-25 00:00",
        ["2026-10-25 00:30", "2026-10-25 02:00", "2026-10-25 02:30", "2026-10-26 00:00"],
    ),
    (
        "a wildcard minute fires in both passes of the fold",
        BERLIN,
        "*/30 2 * * *",
        "2026-10-24 12:00",
        ["2026-10-25 00:00", "2026-10-25 00:30", "2026-10-25 01:00", "2026-10-25 01:30", "2026-10-26 01:00"],
    ),
    (
        "the second pass comes before next year",
        BERLIN,
        "*/30 2 25 10 *",
        "2026-10-25 00:45",
        ["2026-10-25 01:00", "2026-10-25 01:30", "2027-10-25 00:00"],
    ),
    (
        "a wildcard hour goes on evenly over the fold",
        BERLIN,
        "30 * * * *",
        "2026-10-25 00:00",
        ["2026-10-25 00:30", "2026-10-25 01:30", "2026-10-25 02:30"],
    ),
    (
        "a range is no wildcard, whatever it covers",
        BERLIN,
        "30 0-23 * * *",
        "2026-10-25 00:00",
        ["2026-10-25 00:30", "2026-10-25 02:30"],
    ),
    ("another year's fold", BERLIN, "30 2 * * *", "2024-10-26 12:00", ["2024-10-27 00:30", "2024-10-28 01:30"]),
    # New York: gaps 2025-03-09 and 2027-03-14 at 07:00 UTC, fold 2025-11-02 at 06:00 UTC.
    ("the gap west of Greenwich", NEW_YORK, "30 2 * * *", "2025-03-08 12:00", ["2025-03-09 07:00", "2025-03-10 06:30"]),
    ("two years later", NEW_YORK, "30 2 * * *", "2027-03-13 12:00", ["2027-03-14 07:00", "2027-03-15 06:30"]),
    ("the fold there", NEW_YORK, "30 1 * * *", "2025-11-01 12:00", ["2025-11-02 05:30", "2025-11-03 06:30"]),
    (
        "both passes there",
        NEW_YORK,
        "*/20 1 * * *",
        "2025-11-01 12:00",
        [
            "2025-11-02 05:00",
            "2025-11-02 05:20",
            "2025-11-02 05:40",
            "2025-11-02 06:00",
            "2025-11-02 06:20",
            "2025-11-02 06:40",
            "2025-11-03 06:00",
        ],
    ),
    # Lord Howe moves by half an hour: fold 2025-04-05 15:00 UTC (02:00 to 01:30), gap 2025-10-04 15:30 UTC.
    (
        "half an hour's gap",
        LORD_HOWE,
        "15 2 * * *",
        "2025-10-04 00:00",
        ["2025-10-04 15:30", "2025-10-05 15:15"],
    ),
    (
        "half an hour's fold",
        LORD_HOWE,
        "45 1 * * *",
        "2025-04-05 00:00",
        ["2025-04-05 14:45", "2025-04-06 15:15"],
    ),
    (
        "half an hour shown twice",
        LORD_HOWE,
        "*/15 1 * * *",
        "2025-04-05 12:00",
        [
            "2025-04-05 14:00",
            "2025-04-05 14:15",
            "2025-04-05 14:30",
            "2025-04-05 14:45",
            "2025-04-05 15:00",
            "2025-04-05 15:15",
            "2025-04-06 14:30",
        ],
    ),
    # Troll moves by two hours: gap 2026-03-29 01:00 UTC (01:00 to 03:00), fold 2026-10-25 01:00 UTC (03:00 to 01:00).
    (
        "two hours of gap are one slot",
        TROLL,
        "30 1,2 * * *",
        "2026-03-28 12:00",
        ["2026-03-29 01:00", "2026-03-29 23:30", "2026-03-30 00:30"],
    ),
    (
        "two hours of fold fire once",
        TROLL,
        "30 1 * * *",
        "2026-10-24 12:00",
        ["2026-10-24 23:30", "2026-10-26 01:30"],
    ),
    (
        "two hours shown twice",
        TROLL,
        "30 * * * *",
        "2026-10-24 22:45",
        ["2026-10-24 23:30", "2026-10-25 00:30", "2026-10-25 01:30", "2026-10-25 02:30"],
    ),
    # Casablanca goes back for Ramadan: fold 2025-02-23 02:00 UTC (03:00 to 02:00), gap 2025-04-06 02:00 UTC.
    (
        "Ramadan's fold",
        "Africa/Casablanca",
        "30 2 * * *",
        "2025-02-22 12:00",
        ["2025-02-23 01:30", "2025-02-24 02:30"],
    ),
    (
        "the gap after Ramadan",
        "Africa/Casablanca",
        "30 2 * * *",
        "2025-04-05 12:00",
        ["2025-04-06 02:00", "2025-04-07 01:30"],
    ),
    # Beirut changes at midnight: gap 2025-03-29 22:00 UTC (00:00 to 01:00), fold 2025-10-25 21:00 UTC (00:00 to 23:00).
    ("midnight in the gap", BEIRUT, "0 0 * * *", "2025-03-28 23:00", ["2025-03-29 22:00", "2025-03-30 21:00"]),
    (
        "the weekday is that of the gap",
        BEIRUT,
        "30 0 * * 0",
        "2025-03-28 00:00",
        ["2025-03-29 22:00", "2025-04-05 21:30"],
    ),
    ("a fold into the day before", BEIRUT, "30 23 * * *", "2025-10-25 12:00", ["2025-10-25 20:30", "2025-10-26 21:30"]),
    ("midnight after that fold", BEIRUT, "0 0 * * *", "2025-10-25 12:00", ["2025-10-25 22:00", "2025-10-26 22:00"]),
    (
        "midnight in the southern gap",
        "America/Santiago",
        "0 0 * * *",
        "2025-09-06 12:00",
        ["2025-09-07 04:00", "2025-09-08 03:00"],
    ),
    (
        "midnight shown twice",
        "America/Havana",
        "0 0 * * *",
        "2025-11-01 12:00",
        ["2025-11-02 04:00", "2025-11-03 05:00"],
    ),
    (
        "midnight shown twice, hour by hour",
        "America/Havana",
        "0 * * * *",
        "2025-11-02 03:30",
        ["2025-11-02 04:00", "2025-11-02 05:00", "2025-11-02 06:00"],
    ),
    (
        "offsets of three quarters of an hour",
        "Pacific/Chatham",
        "0 3 * * *",
        "2026-09-26 00:00",
        ["2026-09-26 14:00", "2026-09-27 13:15"],
    ),
    (
        "winter time as the exception",
        "Europe/Dublin",
        "30 1 * * *",
        "2026-03-28 12:00",
        ["2026-03-29 01:00", "2026-03-30 00:30"],
    ),
    # Apia crossed the date line: 30 December 2011 is missing (2011-12-30 10:00 UTC).
    (
        "a fixed time of the missing day fires at its end",
        APIA,
        "0 12 * * *",
        "2011-12-29 00:00",
        ["2011-12-29 22:00", "2011-12-30 10:00", "2011-12-30 22:00"],
    ),
    (
        "the midnights before and after the missing day are one slot",
        APIA,
        "0 0 * * *",
        "2011-12-29 12:00",
        ["2011-12-30 10:00", "2011-12-31 10:00"],
    ),
    (
        "hours go on evenly over the missing day",
        APIA,
        "0 * * * *",
        "2011-12-30 08:30",
        ["2011-12-30 09:00", "2011-12-30 10:00", "2011-12-30 11:00"],
    ),
    (
        "a wildcard on the weekday that is missing waits a week",
        APIA,
        "*/30 12 * * 5",
        "2011-12-29 00:00",
        ["2012-01-05 22:00", "2012-01-05 22:30"],
    ),
    # Monrovia was 44 minutes and 30 seconds behind UTC until 1972-01-07 00:44:30 UTC.
    (
        "a fixed time fires at the very second that ends a gap",
        "Africa/Monrovia",
        "30 0 * * *",
        "1972-01-06 12:00",
        ["1972-01-07 00:44:30", "1972-01-08 00:30"],
    ),
    (
        "a wildcard waits for the next full minute",
        "Africa/Monrovia",
        "* 0 * * *",
        "1972-01-06 12:00",
        ["1972-01-07 00:45", "1972-01-07 00:46"],
    ),
    ("no change of clocks at all", "UTC", "30 2 * * *", "2026-03-28 12:00", ["2026-03-29 02:30", "2026-03-30 02:30"]),
]


@pytest.mark.parametrize(
    ("zone", "expression", "after", "expected"),
    [pytest.param(*row[1:], id=f"{row[1]}: {row[0]}") for row in ROWS],
)
def test_clock_changes_as_in_debian(zone, expression, after, expected):
    """The slots after a moment near a change of clocks are those of Debian's rule."""
    actual = cron(expression, tz=zone).preview(utc(after), len(expected))

    assert tuple(utc(text) for text in expected) == actual
