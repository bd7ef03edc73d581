"""The regions and prefectures that prices are gathered from, and what one of them answers.

No network is asked: each answer is made of its question, so the same question has the same answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

REGIONS = {
    "Bretagne": ("Côtes-d'Armor", "Finistère", "Ille-et-Vilaine", "Morbihan"),
    "Normandie": ("Calvados", "Eure", "Manche", "Orne", "Seine-Maritime"),
    "Corse": ("Corse-du-Sud", "Haute-Corse"),
}


def prefectures(region: str | None, prefecture: str | None) -> list[tuple[str, str]]:
    """Return the regions with their prefectures that a filter leaves; raises ValueError when none is left."""
    left = [
        (name, place)
        for name, places in REGIONS.items()
        for place in places
        if (not region or region == name) and (not prefecture or prefecture == place)
    ]
    if not left:
        raise ValueError(f"There is no prefecture {prefecture or ''} in {region or 'any region'}.")
    return left


def offers(prefecture: str, keyword: str) -> Iterator[dict[str, object]]:
    """Yield what is offered in a prefecture."""
    random = Random(f"{prefecture}/{keyword}")
    for number in range(random.randint(0, 9)):
        yield {
            "title": f"{keyword} no. {number + 1}, {prefecture}",
            "price": random.randint(200, 4000),
            "weight": random.randint(20, 900),
        }
