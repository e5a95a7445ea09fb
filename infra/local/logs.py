"""What the functions of a stack logged."""

from machine import client
from stack import STACK


def log_lines(endpoint):
    """Every line that the functions wrote, oldest first, as (function, line)."""
    logs = client("logs", endpoint)
    events = []
    for page in logs.get_paginator("describe_log_groups").paginate(
        logGroupNamePrefix=f"/aws/lambda/{STACK}/"
    ):
        for group in page["logGroups"]:
            name = group["logGroupName"]
            for found in logs.get_paginator("filter_log_events").paginate(
                logGroupName=name, PaginationConfig={"PageSize": 10000}
            ):
                events += [
                    (event["timestamp"], name.rsplit("/", 1)[1], event["message"])
                    for event in found["events"]
                ]
    # By time alone: lines of one invocation share a timestamp and keep their order.
    return [(function, line) for _, function, line in sorted(events, key=lambda e: e[0])]
