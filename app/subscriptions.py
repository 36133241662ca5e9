"""Who hears which event: the whole map on one page. Names are stable, they are receipts."""

from app.kernel.events import Subscription

SUBSCRIPTIONS: list[Subscription] = []
