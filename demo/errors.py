"""Why a demonstration cannot go on."""


class DemoError(Exception):
    """A sentence (and perhaps a log's tail) for whoever started the demonstration."""
