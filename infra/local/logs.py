"""Prints the log lines of the functions of a stack, all at once or as they arrive."""

import time
from datetime import datetime

from machine import client
from stack import STACK

# How far `follow` looks back each time, in milliseconds: a line may arrive after a later line
# of another function.
OVERLAP = 10_000


class Log:
    def __init__(self, endpoint, function=None, text=None):
        self.logs = client("logs", endpoint)
        self.function, self.text = function, text
        self.since = 0
        self.seen = set()

    def lines(self):
        """Returns the new lines since the last call, oldest first, as (milliseconds, function, line)."""
        found = []
        pages = self.logs.get_paginator("describe_log_groups").paginate(
            logGroupNamePrefix=f"/aws/lambda/{STACK}/{self.function or ''}"
        )
        for group in (group["logGroupName"] for page in pages for group in page["logGroups"]):
            found += self.new_lines(group)
        # Sorts by time alone: lines of one invocation share a timestamp, and keep their order.
        found.sort(key=lambda line: line[0])
        if found:
            self.since = max(0, found[-1][0] - OVERLAP)
        return [line for line in found if not self.text or self.text in line[2]]

    def new_lines(self, group):
        pages = self.logs.get_paginator("filter_log_events").paginate(
            logGroupName=group, startTime=self.since, PaginationConfig={"PageSize": 10000}
        )
        events = [event for page in pages for event in page["events"]]
        # The emulator writes each invocation into a stream of its own, all lines at once.
        new = [event for event in events if event["logStreamName"] not in self.seen]
        self.seen.update(event["logStreamName"] for event in new)
        return [(event["timestamp"], group.rsplit("/", 1)[1], event["message"]) for event in new]


def show(log, times=True, follow=False):
    """Prints the lines. With `follow`, goes on printing new lines until it is interrupted."""
    while True:
        for milliseconds, function, line in log.lines():
            moment = datetime.fromtimestamp(milliseconds / 1000).strftime("%H:%M:%S.%f")[:-3]
            print(f"{moment} " if times else "", f"{function:15} {line}", sep="", flush=follow)
        if not follow:
            return
        time.sleep(1)
