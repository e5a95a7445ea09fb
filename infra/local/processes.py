"""Processes that end with everything they started, and what the person at the terminal sees of them."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time


class Failure(Exception):
    """Something that the person at the terminal can act on."""


class Stopped(BaseException):
    """A signal asked for the end; not an Exception, so that nothing swallows it."""

    def __init__(self, signum):
        super().__init__(signum)
        self.exit_code = 128 + signum


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def stop_on_signals():
    """Turns the signals that ask for the end into `Stopped`, so that `finally` runs."""

    def stop(signum, _):
        raise Stopped(signum)

    for signum in SIGNALS:
        signal.signal(signum, stop)


def quietly(*steps):
    """Cleans up without being interrupted by a second Ctrl-C."""
    for signum in SIGNALS:
        signal.signal(signum, signal.SIG_IGN)
    for step in steps:
        step()


def stop_group(process_or_pid, grace=5.0):
    """Ends a process and all that it started, which share its process group."""
    pid = getattr(process_or_pid, "pid", process_or_pid)
    for signum, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
        deadline = time.monotonic() + patience
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signum)
            while time.monotonic() < deadline:
                if isinstance(process_or_pid, subprocess.Popen):
                    process_or_pid.poll()  # A zombie would keep the group alive.
                os.killpg(pid, 0)
                time.sleep(0.05)
            continue
        return


def run_to_log(title, command, log, env, cwd):
    """Runs a long command with a progress line; its output goes to `log`."""
    with Progress(title, log), open(log, "ab") as out:
        process = subprocess.Popen(
            command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.STDOUT, start_new_session=True,
        )
        try:
            code = process.wait()
        except BaseException:
            stop_group(process)
            raise
    if code != 0:
        raise Failure(f"{title} failed (exit code {code}):\n\n{tail(log)}\n\nAll of it: {log}")


class Progress:
    """One line on what is going on and how long it took; a sign of life each minute."""

    def __init__(self, title, log=None):
        self.title, self.log = title, log

    def __enter__(self):
        self.start = time.monotonic()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.live, daemon=True)
        say(f"{self.title} …", end="")
        self.thread.start()
        return self

    def live(self):
        while not self.over.wait(60):
            last = tail(self.log, 1).strip()[:70] if self.log else ""
            say(f"\n    {self.seconds()} s so far: {last}", end="", prefix="")

    def seconds(self):
        return round(time.monotonic() - self.start)

    def __exit__(self, kind, *_):
        self.over.set()
        self.thread.join()
        say(f" {self.seconds()} s" if kind is None else " stopped", prefix="")


def tail(log, lines=30):
    text = log.read_text(errors="replace") if log.exists() else ""
    return "\n".join("    " + line for line in text.rstrip().splitlines()[-lines:])


def say(text, end="\n", prefix="  "):
    # On the error stream, so that what `env`, `logs` and `event` print can be read by programs.
    print(prefix + text, end=end, file=sys.stderr, flush=True)
