"""The seven classes of WHU-OPT-SAR: label values and display colours, as its authors give them."""

CLASSES = ("farmland", "city", "village", "water", "forest", "road", "others")
CODES = (10, 20, 30, 40, 50, 60, 70)
IGNORE = (0,)
COLOURS = (
    (204, 102, 0),
    (255, 0, 0),
    (255, 255, 0),
    (0, 0, 255),
    (85, 167, 0),
    (0, 255, 255),
    (153, 102, 153),
)
