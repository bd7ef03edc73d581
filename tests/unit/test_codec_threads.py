"""The shapes of annotations are made at first use, by whichever thread comes first; no other sees them half made."""

import threading
from types import GenericAlias

from taskcore._codec._annotations import Annotations

MOMENT = 0.05
PATIENCE = 5.0


class TypeAliasType:
    """An alias whose value takes its time: before it is known, another thread asks for the same shape."""

    def __init__(self, meanwhile):
        self.meanwhile = meanwhile

    @property
    def __value__(self):
        self.meanwhile()
        return int


def test_shape_is_not_seen_half_made():
    """A second thread that comes while the shape is made gets the whole shape, not the one that stands in for it."""
    seen = []
    second = threading.Thread(target=lambda: seen.append(annotations.shape(annotation)), daemon=True)

    def meanwhile():
        second.start()
        second.join(MOMENT)

    annotation = GenericAlias(list, (TypeAliasType(meanwhile),))
    annotations = Annotations(lambda: None)
    first = annotations.shape(annotation)
    second.join(PATIENCE)
    assert [first] == seen
    assert first.part is not None
