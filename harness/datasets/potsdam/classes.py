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
