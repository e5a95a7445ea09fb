"""One stack on this machine: its emulator, its deployment, and how to reach it."""

import json
import shlex
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlparse

import broker
from machine import (
    CREDENTIALS, LOCAL, REGION, ROOT, SAM_CONFIG, TOOLS, architecture, aws_env, client,
    emulator_env, free_port,
)
from processes import Failure, Progress, keep_running, run_to_log, stop_group, tail

# The name of the CloudFormation stack. Every emulator has one.
STACK = "local"

# What the template needs to take order events from the local broker. The network is made up:
# without it, the template wants the cluster to ask who comes.
KAFKA_PARAMETERS = {
    "KafkaTopic": broker.TOPIC,
    "KafkaConsumerGroup": "virtual-numbers",
    "KafkaSubnets": "subnet-0,subnet-1",
    "KafkaSecurityGroups": "sg-0",
}


class Stack:
    def __init__(self, name):
        if not name or not all(c.isalnum() or c in "-_" for c in name):
            raise Failure(f"--name {name!r}: use letters, digits, - and _ only")
        self.name = name
        self.folder = LOCAL / name
        self.facts_file = self.folder / "local.json"
        self.outputs_file = self.folder / "outputs.json"
        # By a word in their command lines, those that this program started.
        self.started = {}

    def facts(self):
        """Returns the contents of local.json, or None if its emulator does not run any more."""
        facts = self.recorded()
        return facts if "ministack" in running(facts) else None

    def recorded(self):
        """Returns the contents of local.json, which are empty if there is no such file."""
        try:
            return json.loads(self.facts_file.read_text())
        except (OSError, ValueError):
            return {}

    def record(self, **facts):
        """Adds facts to local.json, and the processes that this program started."""
        facts = {**self.recorded(), **facts}
        started = {word: process.pid for word, process in self.started.items()}
        facts["processes"] = {**facts.get("processes", {}), **started}
        self.facts_file.write_text(json.dumps(facts, indent=2) + "\n")
        return facts

    def require_facts(self):
        facts = self.facts()
        if not facts or not self.outputs_file.exists():
            raise Failure(f"no local stack named {self.name} is running: start it with `make up`")
        return facts

    def require_none(self, otherwise=""):
        if self.facts():
            raise Failure(
                f"a local stack named {self.name} is running already: end it with "
                f"`.venv/bin/python infra/local down --name {self.name}`{otherwise}"
            )

    def outputs(self):
        """Returns the template's outputs."""
        return json.loads(self.outputs_file.read_text())

    # ------------------------------------------------------------ Emulator

    def start_emulator(self, function_env):
        """Starts the local AWS on a free port. Returns its endpoint."""
        self.require_none()
        self.down()
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "tmp").mkdir(parents=True)
        log = self.folder / "emulator.log"
        with Progress("starting the local AWS", log):
            # Tries another port if another process takes the free port first.
            for _ in range(3):
                port = free_port()
                with open(log, "wb") as out:
                    self.started["ministack"] = subprocess.Popen(
                        [TOOLS / "ministack"], cwd=self.folder,
                        env=emulator_env(self.folder, port, function_env),
                        stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                endpoint = f"http://127.0.0.1:{port}"
                self.record(name=self.name, endpoint=endpoint)
                if self.wait_until_ready(endpoint):
                    return endpoint
        raise Failure(f"the local AWS did not start:\n\n{tail(log)}\n\nAll of it: {log}")

    def wait_until_ready(self, endpoint, patience=60):
        deadline = time.monotonic() + patience
        emulator = self.started["ministack"]
        while time.monotonic() < deadline and emulator.poll() is None:
            try:
                with urllib.request.urlopen(f"{endpoint}/_ministack/ready", timeout=2):
                    return True
            except (OSError, urllib.error.URLError):
                time.sleep(0.05)
        stop_group(emulator)
        return False

    def start_kafka(self, endpoint):
        """Starts the broker, and a poller that hands its records to the deployed function."""
        with Progress("starting the Kafka broker", self.folder / "broker.log"):
            self.started["tansu"], servers = broker.start(self.folder, endpoint)
            self.record(kafka=servers)
        self.started["poller.py"] = keep_running(
            [sys.executable, Path(__file__).with_name("poller.py"), endpoint, servers],
            self.folder / "poller.log", aws_env(endpoint), self.folder,
        )
        self.record()

    def start_page(self, endpoint):
        """Starts the dashboard's page."""
        port = free_port()
        self.started["dashboard.py"] = keep_running(
            [sys.executable, Path(__file__).with_name("dashboard.py"), endpoint, str(port)],
            self.folder / "dashboard.log", aws_env(endpoint), self.folder,
        )
        return self.record(page=f"http://127.0.0.1:{port}/")

    # ------------------------------------------------------------ Deployment

    def deploy(self, endpoint, built, parameters):
        """Runs `sam deploy` on a folder with a built template. Returns the facts of local.json."""
        # Passes a file, since the flag's own quoting breaks JSON.
        overrides = self.folder / "parameters.yaml"
        servers = self.recorded().get("kafka")
        kafka = {**KAFKA_PARAMETERS, "KafkaBootstrapServers": servers} if servers else {}
        overrides.write_text(json.dumps({"Architecture": architecture(), **kafka, **parameters}))
        run_to_log(
            "deploying the template",
            [
                TOOLS / "sam", "deploy",
                "--template-file", built / "template.yaml",
                "--config-file", SAM_CONFIG,
                "--stack-name", STACK,
                "--parameter-overrides", f"file://{overrides}",
                "--no-confirm-changeset",
                "--no-progressbar",
            ],
            self.folder / "deploy.log",
            aws_env(endpoint),
            ROOT,
        )
        stacks = client("cloudformation", endpoint).describe_stacks(StackName=STACK)["Stacks"]
        outputs = {o["OutputKey"]: o["OutputValue"] for o in stacks[0]["Outputs"]}
        self.outputs_file.write_text(json.dumps(outputs, indent=2) + "\n")

        api_host = urlparse(outputs["ApiUrl"]).netloc
        api_id = api_host.split(".")[0]
        return self.record(
            stack=STACK,
            region=REGION,
            # The API's address on this machine, where {id}.execute-api.localhost may not resolve.
            api_base=f"{endpoint}/_aws/execute-api/{api_id}/$default",
            # The domain name that the function sees, which signatures cover.
            api_domain=api_host.rsplit(":", 1)[0],
            outputs=str(self.outputs_file),
            build=str(built),
        )

    # ------------------------------------------------------------ Use

    def command_env(self, facts):
        """Returns the variables that point a command or a shell at the stack."""
        return {
            "AWS_ENDPOINT_URL": facts["endpoint"],
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            **CREDENTIALS,
            "VN_OUTPUTS": facts["outputs"],
            "VN_API_BASE": facts["api_base"],
            "VN_API_DOMAIN": facts["api_domain"],
            "VN_PAGE": facts["page"],
            "VN_PYTHON": sys.executable,
            # For tests of the deployed programs.
            "VN_BUILD": facts["build"],
            # For tests that end the functions' processes, and look at what happened to them.
            "VN_EMULATOR_PID": str(facts["processes"]["ministack"]),
            "VN_EMULATOR_LOG": str(self.folder / "emulator.log"),
            "VN_LOGS": shlex.join([
                sys.executable, str(Path(__file__).resolve().parent),
                "logs", "--name", self.name, "--no-times",
            ]),
            **self.kafka_env(facts),
        }

    def kafka_env(self, facts):
        """Returns the variables that say where the local Kafka is, if it is started."""
        if "kafka" not in facts:
            return {}
        return {
            "VN_KAFKA": facts["kafka"],
            # For tests that end the broker, which is started again.
            "VN_KAFKA_PID": str(facts["processes"]["tansu"]),
            "VN_KAFKA_LOG": str(self.folder / "poller.log"),
        }

    def function_settings(self, endpoint, function):
        """Returns the environment variables of a function, by the name of its folder."""
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

    def down(self):
        """Ends the emulator, the function processes that it started, and Kafka."""
        processes = {**running(self.recorded()), **self.started}
        for process in reversed(processes.values()):
            stop_group(process)
        self.started = {}
        self.facts_file.unlink(missing_ok=True)
        shutil.rmtree(self.folder / "tmp", ignore_errors=True)
        return bool(processes)


def running(facts):
    """Returns the ids of those processes in local.json that still run."""
    return {word: pid for word, pid in facts.get("processes", {}).items() if runs(pid, word)}


def runs(pid, word):
    # Another process may have the id by now. The command line of a dead process is empty.
    try:
        return word in Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return False
