"""Wake-ups: each reads the clock and calls one service. Lost or doubled ones do no harm."""

from datetime import timedelta

from celery import shared_task
from django.db.models import Q
from django.utils import timezone

from accounts.models import Order
from accounts.rules.orders import OrderStatus
from liquidation.queue import wake_run
from liquidation.selectors import due_runs
from liquidation.services import routing, steps

RECONCILE_SECONDS = 30
RECONCILE_MOST = 200  # an order asked about goes to the end, so that every order has its turn


@shared_task(name="liquidation.advance_run")
def advance_run(run_id: int) -> None:
    """Take a run's next step."""
    steps.advance(run_id=run_id, now=timezone.now())


@shared_task(name="liquidation.send_order")
def send_order(order_id: int) -> None:
    """Carry a committed order to its venue."""
    routing.send_order(order_id=order_id, now=timezone.now())


@shared_task(name="liquidation.send_cancel")
def send_cancel(order_id: int) -> None:
    """Carry a cancel to its venue."""
    routing.send_cancel(order_id=order_id, now=timezone.now())


@shared_task(name="liquidation.sweep_runs")
def sweep_runs() -> None:
    """Wake the runs whose wake-up or worker was lost."""
    for run in due_runs(timezone.now()):
        wake_run(run.pk)


@shared_task(name="liquidation.sweep_orders")
def sweep_orders() -> None:
    """Carry on the orders and cancels whose wake-up or answer was lost."""
    waiting = Q(status=OrderStatus.PENDING_NEW, is_liquidation=False) | Q(status=OrderStatus.PENDING_CANCEL)
    for order in Order.objects.filter(waiting).order_by("id"):
        if order.status == OrderStatus.PENDING_NEW:
            routing.send_order(order_id=order.pk, now=timezone.now())
        else:
            routing.send_cancel(order_id=order.pk, now=timezone.now())


@shared_task(name="liquidation.reconcile_orders")
def reconcile_orders() -> None:
    """Ask the venue about working orders not heard of for a while: a report that was lost is taken in here."""
    now = timezone.now()
    silent = Order.objects.filter(
        status=OrderStatus.WORKING, updated_at__lte=now - timedelta(seconds=RECONCILE_SECONDS)
    )
    for order_id in silent.order_by("updated_at").values_list("pk", flat=True)[:RECONCILE_MOST]:
        routing.refresh_order(order_id=order_id, now=timezone.now())
