"""A Celery application like the product's, but its process kills itself, hard, at one named call to the venue.

`RISKADMIN_TEST_DIES_AT` is "CALL WHEN NUMBER", for example "submit after 1"; the file named by
`RISKADMIN_TEST_DEATHS` keeps it from dying twice.
"""

import os
import signal
from pathlib import Path

from celery.signals import worker_process_init

from riskadmin.celery import app

__all__ = ["app"]


def _die_at(call: str, when: str, number: int):
    seen = 0

    def fault(moment: str):
        def look(made: str) -> None:
            nonlocal seen
            if made != call or moment != when:
                return
            seen += 1
            if seen == number:
                Path(os.environ["RISKADMIN_TEST_DEATHS"]).write_text(f"{call} {when} {number}")
                os.killpg(os.getpgrp(), signal.SIGKILL)

        return look

    return fault("before"), fault("after")


@worker_process_init.connect
def _arm(**_: object) -> None:
    from liquidation.gateways.registry import GATEWAYS  # noqa: PLC0415 - models exist only once Celery has set Django up
    from tests.faults import FaultyVenue  # noqa: PLC0415 - the same

    call, when, number = os.environ["RISKADMIN_TEST_DIES_AT"].split()
    before, after = _die_at(call, when, int(number))
    GATEWAYS["simulated"] = FaultyVenue(before=before, after=after)
