"""The six classes of ISPRS Potsdam and their label colours, which the rendered town shares."""

CLASSES = ("impervious surfaces", "building", "low vegetation", "tree", "car", "clutter")
PALETTE = (
    (255, 255, 255),
    (0, 0, 255),
    (0, 255, 255),
    (0, 255, 0),
    (255, 255, 0),
    (255, 0, 0),
)
IGNORE = ((0, 0, 0),)
"""Colour of object borders in the files that leave these out."""
