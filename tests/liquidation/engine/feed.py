"""A feed for tests."""

from threading import Event as Flag


class ListFeed:
    """A feed whose batches the test has written down; it sets the flag when the last one is read."""

    def __init__(self, *batches):
        self.batches = list(batches)
        self.done = Flag()
        self.aside = []

    def read(self, timeout_seconds):
        batch = self.batches.pop(0) if self.batches else []
        if not self.batches:
            self.done.set()
        return batch

    def set_aside(self, event, fault):
        self.aside.append((event, fault))
