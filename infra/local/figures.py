"""The figures of a stack's journal, and the searches of its dashboard over them.

CloudWatch makes metrics of the lines that the functions write in its embedded format. The local
emulator does not, so this reads the same lines, and answers the searches that the template's
dashboard asks.
"""

import json
import re
from collections import defaultdict

SEARCH = re.compile(
    r"""SEARCH\('\{"(?P<namespace>[^"]+)",(?P<dimensions>[^}]+)\}\ MetricName="(?P<metric>\w+)"
        (?P<filters>(?:\ \w+="[^"]*")*)',\ '(?P<statistic>\w+)',\ (?P<period>\d+)\)""", re.VERBOSE)
FILTER = re.compile(r'(\w+)="([^"]*)"')
LABEL = re.compile(r"\$\{PROP\('Dim\.(\w+)'\)\}")


class Figures:
    """What the journal said so far: the values of each metric, by its dimensions."""

    def __init__(self):
        # (metric, names of dimensions) -> their values -> [(milliseconds, value)]
        self.metrics = defaultdict(lambda: defaultdict(list))

    def add(self, line):
        """Takes a line of a log. One that is not of the journal has no figures."""
        try:
            entry = json.loads(line)
            sets = entry["_aws"]["CloudWatchMetrics"]
        except (ValueError, KeyError, TypeError):
            return
        for metrics in sets:
            for names in metrics["Dimensions"]:
                values = tuple(entry[name] for name in names)
                for metric in metrics["Metrics"]:
                    value = entry.get(metric["Name"])
                    if value is not None:
                        known = self.metrics[metric["Name"], tuple(names)]
                        known[values].append((entry["_aws"]["Timestamp"], value))

    def span(self):
        """The first and the last moment of all figures, in milliseconds."""
        moments = [moment for metric in self.metrics.values() for values in metric.values()
                   for moment, _ in (values[0], values[-1])]
        return (min(moments), max(moments)) if moments else None

    def search(self, expression, label, buckets):
        """Answers a search: [(label, [a value or None for each bucket])].

        `buckets` are the beginnings of equal spans of time, in milliseconds.
        """
        asked = SEARCH.fullmatch(expression)
        if not asked:
            raise ValueError(f"this page does not know such an expression: {expression}")
        names = tuple(asked["dimensions"].split(","))
        filters = dict(FILTER.findall(asked["filters"]))
        series = defaultdict(list)
        for values, points in self.metrics.get((asked["metric"], names), {}).items():
            dimensions = dict(zip(names, values))
            if all(dimensions[name] == value for name, value in filters.items()):
                name = LABEL.sub(lambda found: dimensions[found[1]], label)
                series[name] += points
        return [(name, self.fold(points, asked["statistic"], buckets))
                for name, points in sorted(series.items())]

    @staticmethod
    def fold(points, statistic, buckets):
        width = buckets[1] - buckets[0]
        found = defaultdict(list)
        for moment, value in points:
            found[int((moment - buckets[0]) // width)].append(value)
        return [fold(found[index], statistic) if index in found else None
                for index in range(len(buckets))]


def fold(values, statistic):
    """CloudWatch's statistic of these values."""
    if statistic == "Sum":
        return sum(values)
    if statistic in ("Minimum", "Maximum"):
        return min(values) if statistic == "Minimum" else max(values)
    # Percentiles: p50, p99.
    rank = int(statistic.removeprefix("p")) / 100 * (len(values) - 1)
    return sorted(values)[round(rank)]
