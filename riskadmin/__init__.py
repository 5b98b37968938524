"""Wiring only: settings, URLs, WSGI, Celery and the embedded servers."""

from riskadmin.celery import app as celery_app

__all__ = ["celery_app"]
