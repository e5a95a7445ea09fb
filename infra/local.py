#!/usr/bin/env python3
"""Run the whole system on this machine, without an AWS account.

Starts a local AWS emulator on a free port, builds the functions, deploys
infra/template.yaml into it with `sam`, and hands the stack to a command:

    infra/local.py run -- cargo run --package tests --bin demo
    infra/local.py up                 keep a stack running to play with
    infra/local.py logs               every line that its functions logged
    eval "$(infra/local.py env)"      point this shell at it
    infra/local.py down

The emulator checks every request of a function against the function's role in
the template, so what works here has the permissions that it needs.

Several stacks can run at once, told apart by --name. Everything that a stack
writes is under target/local/<name>/: emulator.log, deploy.log, local.json (how
to reach it) and outputs.json (the template's outputs).
"""

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import platform
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlparse

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = ROOT / "infra" / "template.yaml"
LOCAL = ROOT / "target" / "local"
BUILD = LOCAL / "build"
TOOLS = Path(sys.executable).parent

STACK = "local"
REGION = "us-east-1"
# The emulator takes this pair for the account's owner.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}

# What the functions are built from; the build is skipped while it is unchanged.
SOURCES = [
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain.toml",
    "crates",
    "functions",
    "infra/template.yaml",
    "infra/samconfig.toml",
    "infra/requirements.txt",
]


class Failure(Exception):
    """Something that the person at the terminal can act on."""


class Stopped(BaseException):
    """A signal asked for the end; not an Exception, so that nothing swallows it."""

    def __init__(self, signum):
        super().__init__(signum)
        self.exit_code = 128 + signum


# ---------------------------------------------------------------- Processes


def stop_group(process_or_pid, grace=5.0):
    """End a process and all that it started, which share its process group."""
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


def run_to_log(title, command, log, env, cwd=ROOT):
    """Run a long command with a progress line; its output goes to `log`."""
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


def tail(log, lines=30):
    text = log.read_text(errors="replace") if log.exists() else ""
    return "\n".join("    " + line for line in text.rstrip().splitlines()[-lines:])


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


def say(text, end="\n", prefix="  "):
    # On the error stream, so that `env` and `logs` can be read by programs.
    print(prefix + text, end=end, file=sys.stderr, flush=True)


# ---------------------------------------------------------------- One stack


class Stack:
    def __init__(self, name):
        if not name or not all(c.isalnum() or c in "-_" for c in name):
            raise Failure(f"--name {name!r}: use letters, digits, - and _ only")
        self.name = name
        self.folder = LOCAL / name
        self.facts_file = self.folder / "local.json"
        self.outputs_file = self.folder / "outputs.json"
        self.emulator = None

    def facts(self):
        """What local.json says, if that emulator is still the one that runs."""
        try:
            facts = json.loads(self.facts_file.read_text())
        except (OSError, ValueError):
            return None
        # A process id may have been given to someone else since; a dead one's line is empty.
        try:
            shown = Path(f"/proc/{facts['pid']}/cmdline").read_text()
        except OSError:
            return None
        return facts if "ministack" in shown else None

    def require_facts(self):
        facts = self.facts()
        if not facts or not self.outputs_file.exists():
            raise Failure(f"no local stack named {self.name} is running: start it with `make up`")
        return facts

    # ------------------------------------------------------------ Emulator

    def start_emulator(self, function_env):
        if self.facts():
            raise Failure(
                f"a local stack named {self.name} is running already: "
                f"end it with `.venv/bin/python infra/local.py down --name {self.name}`"
            )
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "tmp").mkdir(parents=True)
        log = self.folder / "emulator.log"
        with Progress("starting the local AWS", log):
            # Someone else may take the free port first: then another is tried.
            for _ in range(3):
                port = free_port()
                with open(log, "wb") as out:
                    self.emulator = subprocess.Popen(
                        [TOOLS / "ministack"], cwd=self.folder,
                        env=self.emulator_env(port, function_env),
                        stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                endpoint = f"http://127.0.0.1:{port}"
                self.facts_file.write_text(json.dumps(
                    {"name": self.name, "pid": self.emulator.pid, "endpoint": endpoint}
                ))
                if self.wait_until_ready(endpoint):
                    return endpoint
        raise Failure(f"the local AWS did not start:\n\n{tail(log)}\n\nAll of it: {log}")

    def emulator_env(self, port, function_env):
        # Functions inherit all of this: nothing of the caller's shell may be in it.
        return {
            "PATH": os.defpath,
            "LANG": "C.UTF-8",
            "HOME": str(self.folder / "tmp"),
            "TMPDIR": str(self.folder / "tmp"),
            "STATE_DIR": str(self.folder / "tmp" / "state"),
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "MINISTACK_REGION": REGION,
            # Requests are held to the policies of whoever makes them.
            "AUTH": "true",
            # Listeners on fixed ports, which two stacks would fight for.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            # What Lambda sets for `LogFormat: JSON`, and the emulator does not.
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
            **CREDENTIALS,
            **function_env,
        }

    def wait_until_ready(self, endpoint, patience=60):
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and self.emulator.poll() is None:
            try:
                with urllib.request.urlopen(f"{endpoint}/_ministack/ready", timeout=2):
                    return True
            except (OSError, urllib.error.URLError):
                time.sleep(0.05)
        stop_group(self.emulator)
        return False

    # ------------------------------------------------------------ Deployment

    def deploy(self, endpoint, parameters):
        # A file, since JSON does not survive the flag's own quoting.
        overrides = self.folder / "parameters.yaml"
        overrides.write_text(json.dumps({"Architecture": architecture(), **parameters}))
        run_to_log(
            "deploying the template",
            [
                TOOLS / "sam", "deploy",
                "--template-file", BUILD / "template.yaml",
                "--config-file", ROOT / "infra" / "samconfig.toml",
                "--stack-name", STACK,
                "--parameter-overrides", f"file://{overrides}",
                "--no-confirm-changeset",
                "--no-progressbar",
            ],
            self.folder / "deploy.log",
            aws_env(endpoint),
        )
        outputs = self.read_outputs(endpoint)
        self.outputs_file.write_text(json.dumps(outputs, indent=2) + "\n")

        api_host = urlparse(outputs["ApiUrl"]).netloc
        api_id = api_host.split(".")[0]
        facts = json.loads(self.facts_file.read_text())
        facts.update({
            "stack": STACK,
            "region": REGION,
            # Reaches the API from here, where {id}.execute-api.localhost may not resolve …
            "api_base": f"{endpoint}/_aws/execute-api/{api_id}/$default",
            # … and this is the domain name that the function sees, and that signatures are over.
            "api_domain": api_host.rsplit(":", 1)[0],
            "outputs": str(self.outputs_file),
        })
        self.facts_file.write_text(json.dumps(facts, indent=2) + "\n")
        return facts

    def read_outputs(self, endpoint):
        stacks = client("cloudformation", endpoint).describe_stacks(StackName=STACK)["Stacks"]
        return {o["OutputKey"]: o["OutputValue"] for o in stacks[0]["Outputs"]}

    # ------------------------------------------------------------ Use

    def command_env(self, facts):
        return {
            "AWS_ENDPOINT_URL": facts["endpoint"],
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            **CREDENTIALS,
            "VN_OUTPUTS": facts["outputs"],
            "VN_API_BASE": facts["api_base"],
            "VN_API_DOMAIN": facts["api_domain"],
            "VN_PYTHON": sys.executable,
            # For tests that look at what was deployed …
            "VN_BUILD": str(BUILD),
            # … and that end its functions' processes, and ask what became of them.
            "VN_EMULATOR_PID": str(facts["pid"]),
            "VN_EMULATOR_LOG": str(self.folder / "emulator.log"),
            "VN_LOGS": shlex.join(
                [sys.executable, str(Path(__file__).resolve()), "logs", "--name", self.name]
            ),
        }

    def log_lines(self, endpoint):
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

    def down(self):
        """End the emulator and the function processes that it started."""
        facts = self.facts()
        target = self.emulator or (facts and facts["pid"])
        if target:
            stop_group(target)
        self.emulator = None
        self.facts_file.unlink(missing_ok=True)
        shutil.rmtree(self.folder / "tmp", ignore_errors=True)
        return bool(target)


def build():
    """`sam build` into target/local/build, unless nothing has changed since."""
    LOCAL.mkdir(parents=True, exist_ok=True)
    stamp = LOCAL / "build.stamp"
    log = LOCAL / "build.log"
    # Stacks that start at the same time share one build.
    with open(LOCAL / "build.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = fingerprint()
        if stamp.exists() and stamp.read_text() == wanted and (BUILD / "template.yaml").exists():
            return
        stamp.unlink(missing_ok=True)
        log.unlink(missing_ok=True)
        run_to_log(
            "building the functions (the first time takes some minutes)",
            [
                TOOLS / "sam", "build",
                "--template-file", TEMPLATE,
                "--build-dir", BUILD,
                "--parameter-overrides", f"Architecture={architecture()}",
            ],
            log,
            tool_env(),
        )
        stamp.write_text(wanted)


def fingerprint():
    digest = hashlib.sha256(architecture().encode())
    for source in SOURCES:
        path = ROOT / source
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.is_file() and "target" not in file.relative_to(ROOT).parts:
                digest.update(f"\0{file.relative_to(ROOT)}\0".encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()


def architecture():
    machine = platform.machine().lower()
    return {"aarch64": "arm64", "arm64": "arm64"}.get(machine, "x86_64")


def tool_env():
    """This shell's environment, with the project's tools and without its AWS account."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    env["PATH"] = f"{TOOLS}{os.pathsep}{env.get('PATH', os.defpath)}"
    env["SAM_CLI_TELEMETRY"] = "0"
    env["AWS_DEFAULT_REGION"] = REGION
    return env


def aws_env(endpoint):
    no_proxy = ",".join(filter(None, [os.environ.get("NO_PROXY"), "127.0.0.1,localhost"]))
    return {
        **tool_env(),
        **CREDENTIALS,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": REGION,
        # No profile of the person's own may take part.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        # How long `sam deploy` sleeps between looks; meant to be kind to AWS.
        "SAM_CLI_POLL_DELAY": "0.5",
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
    }


def client(service, endpoint):
    import boto3

    return boto3.client(
        service, endpoint_url=endpoint, region_name=REGION,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# ---------------------------------------------------------------- Commands


def start(stack, arguments):
    check_machine()
    parameters = dict(arguments.parameter)
    if arguments.pools:
        parameters["Pools"] = read_pools(arguments.pools)
    build()
    running = stack.facts()
    if running and arguments.function_env:
        raise Failure("--function-env only works on a new stack: run `make down` first")
    endpoint = running["endpoint"] if running else stack.start_emulator(dict(arguments.function_env))
    return stack.deploy(endpoint, parameters)


def check_machine():
    if platform.system() != "Linux":
        raise Failure(
            "the functions are Linux programs, and the local AWS runs them as they are: "
            "use a Linux machine, virtual machine or container"
        )
    for tool in ("ministack", "sam", "cargo-lambda"):
        if not (TOOLS / tool).exists():
            raise Failure(f"{tool} is missing beside {sys.executable}: run `make setup`, "
                          f"then use .venv/bin/python infra/local.py")


def read_pools(value):
    try:
        text = value if value.lstrip().startswith("[") else Path(value).read_text()
        return json.dumps(json.loads(text), separators=(",", ":"))
    except (OSError, ValueError) as error:
        raise Failure(f"--pools: neither JSON nor a file with JSON in it: {error}") from error


def command_up(stack, arguments):
    existed = stack.facts() is not None
    try:
        facts = start(stack, arguments)
    except BaseException:
        if not existed:
            quietly(stack.down)
        raise
    say("")
    say(f"The stack is up. Local AWS: {facts['endpoint']}   Calls: {facts['api_base']}/calls/…")
    say(f"Its outputs are in {stack.outputs_file.relative_to(ROOT)}. Next:")
    say("")
    say("  eval \"$(make -s env)\"   sets AWS_ENDPOINT_URL and the outputs ($AssignQueueUrl …)")
    say("  make logs              shows what the functions logged")
    say("  make down              ends it")


def command_run(stack, arguments):
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if not command:
        raise Failure("run: say what to run, such as `infra/local.py run -- make -s env`")
    if stack.facts():
        raise Failure(
            f"a local stack named {stack.name} is running already: end it with "
            f"`.venv/bin/python infra/local.py down --name {stack.name}`, or choose another --name"
        )
    process = None
    try:
        facts = start(stack, arguments)
        say("")
        process = subprocess.Popen(
            command, cwd=ROOT, env={**aws_env(facts["endpoint"]), **stack.command_env(facts)},
            start_new_session=True,
        )
        return process.wait()
    except FileNotFoundError as error:
        raise Failure(f"run: {error.filename}: no such command") from error
    finally:
        # Whatever happened: nothing is left running.
        quietly(lambda: process and stop_group(process), stack.down)


def quietly(*steps):
    """Clean up without being interrupted by a second Ctrl-C."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    for step in steps:
        step()


def command_build(*_):
    check_machine()
    build()
    say(f"The functions are built: {BUILD.relative_to(ROOT)}")


def command_down(stack, _):
    say(f"The local stack {stack.name} is down." if stack.down()
        else f"No local stack named {stack.name} was running.")


def command_status(stack, _):
    facts = stack.require_facts()
    print(json.dumps({**facts, "outputs": json.loads(stack.outputs_file.read_text())}, indent=2))


def command_env(stack, arguments):
    facts = stack.require_facts()
    variables = stack.command_env(facts) | json.loads(stack.outputs_file.read_text())
    if arguments.function:
        variables |= function_settings(facts["endpoint"], arguments.function)
    for name, value in variables.items():
        print(f"export {name}={shlex.quote(value)}")


def function_settings(endpoint, function):
    """The environment variables of a function, by the name of its folder."""
    from botocore.exceptions import ClientError

    logical_id = function.title().replace("-", "")
    try:
        found = client("cloudformation", endpoint).describe_stack_resource(
            StackName=STACK, LogicalResourceId=logical_id)["StackResourceDetail"]
        name = found["PhysicalResourceId"]
        settings = client("lambda", endpoint).get_function_configuration(FunctionName=name)
    except ClientError:
        raise Failure(f"{function} is no function of the stack; the folders of functions/ are.")
    return settings["Environment"]["Variables"]


def command_logs(stack, _):
    for function, line in stack.log_lines(stack.require_facts()["endpoint"]):
        print(f"{function:15} {line}")


def key_value(text):
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise argparse.ArgumentTypeError(f"{text!r}: expected NAME=VALUE")
    return key, value


def parse():
    parser = argparse.ArgumentParser(
        prog="infra/local.py", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name, run, summary, default_name="main", deploys=False):
        sub = commands.add_parser(name, help=summary, description=summary)
        sub.set_defaults(run=run)
        sub.add_argument("--name", default=default_name,
                         help=f"which stack, where several run at once (default: {default_name})")
        if deploys:
            sub.add_argument("--pools", metavar="JSON|FILE",
                             help="the template's Pools parameter (default: the template's own)")
            sub.add_argument("--parameter", metavar="NAME=VALUE", type=key_value, action="append",
                             default=[], help="any parameter of the template; may be repeated")
            sub.add_argument("--function-env", metavar="NAME=VALUE", type=key_value,
                             action="append", default=[],
                             help="an environment variable that every function gets, such as the "
                                  "address of a fake provider; may be repeated")
        return sub

    add("up", command_up, "Start a stack, or deploy again into the one that runs.", deploys=True)
    add("build", command_build, "Build the functions as they are deployed (the others do it too).")
    add("down", command_down, "End a stack and everything that it started.")
    run = add("run", command_run, "Start a stack, run a command on it, end it whatever happens.",
              default_name="run", deploys=True)
    run.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND …",
                     help="gets AWS_ENDPOINT_URL, AWS_REGION, credentials, VN_OUTPUTS (file of the "
                          "outputs), VN_API_BASE (where to send calls), VN_API_DOMAIN (the domain "
                          "name that the function sees), VN_LOGS (a shell command that prints every "
                          "log line) and VN_PYTHON (the Python that has the tools); its exit code "
                          "is this command's")
    env = add("env", command_env, "Print the lines that point a shell at a stack, for eval.")
    env.add_argument("--function", metavar="NAME",
                     help="also the settings of this function, such as assign-numbers, to run it "
                          "alone with cargo lambda watch")
    add("logs", command_logs, "Print every line that the functions of a stack logged.")
    add("status", command_status, "Print how to reach a stack, as JSON.")
    return parser.parse_args()


def main():
    def stop(signum, _):
        raise Stopped(signum)

    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, stop)
    try:
        arguments = parse()
        return arguments.run(Stack(arguments.name), arguments) or 0
    except Failure as failure:
        print(f"\n{failure}", file=sys.stderr)
        return 1
    except Stopped as stopped:
        return stopped.exit_code
    except BrokenPipeError:  # `logs | head`
        sys.stderr.close()
        return 0


if __name__ == "__main__":
    sys.exit(main())
