"""What can go wrong in a service, each with a code that a door can translate."""


class RiskError(Exception):
    """A request that was understood and refused. `code` is stable; the text is for people."""

    code = "REFUSED"

    def __init__(self, text: str, *, field: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.field = field


class NotPermitted(RiskError):
    """The actor may not do this."""

    code = "NOT_PERMITTED"


class NotFound(RiskError):
    """No such object, or none that the actor may see."""

    code = "NOT_FOUND"


class InvalidValue(RiskError):
    """A field holds what it cannot hold; `field` names it."""

    code = "INVALID_VALUE"


class AccountClosed(RiskError):
    """The account is closed."""

    code = "ACCOUNT_CLOSED"


class LiquidationInProgress(RiskError):
    """A liquidation runs; unlocking now would let orders in between its steps."""

    code = "LIQUIDATION_IN_PROGRESS"


class Conflict(RiskError):
    """The request contradicts what stands."""

    code = "CONFLICT"
