from metrics.registry import find


def functions(names, dialect):
    return {name: find(name).function for name in names}
