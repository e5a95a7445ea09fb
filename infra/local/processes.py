"""Starts and ends processes with all that they started, and shows progress at the terminal."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time


class Failure(Exception):
    """An error whose message tells the user what to do."""


class Stopped(BaseException):
    """A signal ended the program. Not an Exception, so that no handler of those catches it."""

    def __init__(self, signum):
        super().__init__(signum)
        self.exit_code = 128 + signum


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def stop_on_signals():
    """Raises `Stopped` on the signals that end a program, so that `finally` runs."""

    def stop(signum, _):
        raise Stopped(signum)

    for signum in SIGNALS:
        signal.signal(signum, stop)


def quietly(*steps):
    """Runs the steps of a clean-up, which a second Ctrl-C does not interrupt."""
    for signum in SIGNALS:
        signal.signal(signum, signal.SIG_IGN)
    for step in steps:
        step()


def stop_group(process_or_pid, grace=5.0):
    """Ends a process and all that it started, which is in its process group."""
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


def keep_running(command, log, env, cwd):
    """Starts a program, and starts it again whenever it fails or is killed. Returns the process."""
    with open(log, "wb") as out:
        return subprocess.Popen(
            ["sh", "-c", 'until "$@"; do sleep 1; done', "keep-running", *command], cwd=cwd, env=env,
            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
        )


def run_to_log(title, command, log, env, cwd):
    """Runs a long command and shows a line of progress. The command's output goes to `log`."""
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
    """A line that says what runs and how long it took, with a sign of life each minute."""

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
    # To stderr, so that programs can read what `env`, `logs` and `event` print to stdout.
    print(prefix + text, end=end, file=sys.stderr, flush=True)
