"""How an adapter says what a plain exception does not. No probe of its own."""


class Refused(Exception):
    """A failure of another kind than `error`: `provider`, `unsupported`, `skipped`, `numeric`."""

    def __init__(self, kind, detail):
        super().__init__(detail)
        self.kind, self.detail = kind, detail
