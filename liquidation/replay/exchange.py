"""The simulated exchange as a replay drives it: it is asked only when a price can touch a resting order."""

from datetime import datetime
from decimal import Decimal

from accounts.rules.orders import OrderStatus
from accounts.rules.pnl import Side
from liquidation.feeds.base import MarkEvent
from liquidation.gateways.simulated import SimulatedExchange
from liquidation.models import VenueOrder


class TapeExchange:
    """Keeps the prices of the tape, and of each contract the best resting prices, in memory."""

    def __init__(self) -> None:
        self._exchange = SimulatedExchange()
        self._moved: dict[str, tuple[Decimal, datetime]] = {}
        self._bids: dict[str, Decimal] = {}
        self._offers: dict[str, Decimal] = {}
        self._at_market: set[str] = set()

    def read_resting(self) -> None:
        """Look at the resting orders anew; to be called whenever one may have come or gone."""
        self._bids, self._offers, self._at_market = {}, {}, set()
        resting = VenueOrder.objects.filter(status=OrderStatus.WORKING)
        for symbol, side, price in resting.values_list("symbol", "side", "price"):
            if price is None:
                self._at_market.add(symbol)
            elif side == Side.BUY:
                self._bids[symbol] = max(price, self._bids.get(symbol, price))
            else:
                self._offers[symbol] = min(price, self._offers.get(symbol, price))

    def take(self, mark: MarkEvent) -> list[str]:
        """Trade at this price from now on; return the client order ids of the resting orders that fill."""
        self._moved[mark.symbol] = (mark.price, mark.at)
        if not self._touches(mark):
            return []
        del self._moved[mark.symbol]
        filled = self._exchange.move_price(mark.symbol, mark.price, mark.at)
        self.read_resting()
        return filled

    def _touches(self, mark: MarkEvent) -> bool:
        bid, offer = self._bids.get(mark.symbol), self._offers.get(mark.symbol)
        return (
            mark.symbol in self._at_market
            or (bid is not None and mark.price <= bid)
            or (offer is not None and mark.price >= offer)
        )

    def settle_prices(self) -> None:
        """Tell the exchange the prices that it has not heard; to be called before anything is sent to it."""
        for symbol, (price, at) in self._moved.items():
            self._exchange.set_price(symbol, price, at)
        self._moved.clear()
