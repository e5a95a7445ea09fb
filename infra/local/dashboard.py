"""The dashboard of a local stack: the widgets of the template's, drawn from the journal.

    dashboard.py ENDPOINT PORT

`infra/local up` starts it beside the stack. What only AWS measures (queues, invocations, table
units) has no graph here, and alarms are named and not judged: the emulator measures neither.
"""

import html
import json
import sys
import threading
import time
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pygal
from pygal.style import Style

from figures import Figures
from logs import Log
from machine import client
from stack import STACK

BUCKETS = 60
STYLE = Style(
    background="transparent", plot_background="transparent", font_family="sans-serif",
    colors=("#2563eb", "#f59e0b", "#10b981", "#ef4444", "#8b5cf6", "#0891b2", "#84cc16", "#db2777"),
    label_font_size=11, major_label_font_size=11, legend_font_size=12, value_font_size=11,
    no_data_font_size=16,
)

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="10">
<title>{title}</title>
<style>
body {{ font-family: sans-serif; margin: 1rem auto; padding: 0 1rem; max-width: 1500px; color: #1f2937 }}
h2 {{ grid-column: 1 / -1; margin: 1.2rem 0 0 }}
main {{ display: grid; grid-template-columns: repeat(3, 1fr); gap: .8rem }}
section {{ border: 1px solid #e5e7eb; border-radius: .4rem; padding: .6rem; min-width: 0 }}
h3 {{ font-size: .95rem; margin: 0 0 .3rem; font-weight: 600 }}
p, li {{ font-size: .85rem; color: #6b7280 }}
svg {{ width: 100%; height: auto }}
</style></head>
<body><h1>{title}</h1>
<p>{subtitle}</p>
<main>{widgets}</main></body></html>
"""


class Dashboard:
    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.log, self.figures = Log(endpoint), Figures()
        self.lock = threading.Lock()

    def widgets(self):
        """The widgets of the deployed dashboard, which a new deployment may change."""
        found = client("cloudwatch", self.endpoint).get_dashboard(DashboardName=STACK)
        return json.loads(found["DashboardBody"])["widgets"]

    def page(self):
        with self.lock:
            for _, _, line in self.log.lines():
                self.figures.add(line)
            buckets = self.buckets()
            drawn = "\n".join(self.draw(widget, buckets) for widget in self.widgets())
        moment = datetime.now().strftime("%H:%M:%S")
        seconds = round((buckets[1] - buckets[0]) / 1000, 1)
        return PAGE.format(
            title=f"{STACK}: how it does", widgets=drawn,
            subtitle=f"At {moment}; a point is {seconds} s. The page loads itself again.")

    def buckets(self):
        first, last = self.figures.span() or (time.time() * 1000 - 60_000, time.time() * 1000)
        width = max((last - first) / (BUCKETS - 1), 1000)
        return [first + index * width for index in range(BUCKETS)]

    def draw(self, widget, buckets):
        properties = widget["properties"]
        if widget["type"] == "text":
            return f"<h2>{html.escape(properties['markdown'].removeprefix('## '))}</h2>"
        title = f"<h3>{html.escape(properties['title'])}</h3>"
        if widget["type"] == "alarm":
            names = (arn.rsplit(":", 1)[1] for arn in properties["alarms"])
            names = "".join(f"<li>{html.escape(short(name))}</li>" for name in names)
            return f"<section>{title}<p>Watched by</p><ul>{names}</ul></section>"
        searches = [metric[0] for metric in properties["metrics"] if isinstance(metric[0], dict)]
        if not searches:
            return f"<section>{title}<p>Measured by AWS alone.</p></section>"
        return f"<section>{title}{self.chart(properties, searches, buckets)}</section>"

    def chart(self, properties, searches, buckets):
        kind = pygal.StackedBar if properties["stacked"] else pygal.Line
        times = [datetime.fromtimestamp(moment / 1000).strftime("%H:%M:%S") for moment in buckets]
        chart = kind(
            style=STYLE, js=[], width=620, height=340, legend_at_bottom=True, dots_size=2,
            x_labels=times, x_labels_major_count=5, show_minor_x_labels=False, spacing=2,
            no_data_text="nothing yet", legend_at_bottom_columns=2, truncate_legend=60, truncate_label=-1,
        )
        for search in searches:
            found = self.figures.search(search["expression"], search.get("label", ""), buckets)
            for label, values in found:
                chart.add(label, values, allow_interruptions=False)
        return chart.render(is_unicode=True, disable_xml_declaration=True)


def short(name):
    """An alarm's name, without the stack's name and the emulator's suffix."""
    return name.removeprefix(f"{STACK}-").rsplit("-", 1)[0]


def serve(endpoint, port):
    dashboard = Dashboard(endpoint)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):  # noqa: N802 (the name that http.server calls)
            if self.path != "/":
                return self.send_error(404)
            page = dashboard.page().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            return self.wfile.write(page)

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
