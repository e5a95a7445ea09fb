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

from machine import (
    CREDENTIALS, LOCAL, REGION, ROOT, SAM_CONFIG, TOOLS, architecture, aws_env, client,
    emulator_env, free_port,
)
from processes import Failure, Progress, run_to_log, stop_group, tail

# The name of the CloudFormation stack. Every emulator has one.
STACK = "local"


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
        """Returns the contents of local.json, or None if its emulator does not run any more."""
        try:
            facts = json.loads(self.facts_file.read_text())
        except (OSError, ValueError):
            return None
        # Another process may have the id by now. The command line of a dead process is empty.
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
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "tmp").mkdir(parents=True)
        log = self.folder / "emulator.log"
        with Progress("starting the local AWS", log):
            # Tries another port if another process takes the free port first.
            for _ in range(3):
                port = free_port()
                with open(log, "wb") as out:
                    self.emulator = subprocess.Popen(
                        [TOOLS / "ministack"], cwd=self.folder,
                        env=emulator_env(self.folder, port, function_env),
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

    def deploy(self, endpoint, built, parameters):
        """Runs `sam deploy` on a folder with a built template. Returns the facts of local.json."""
        # Passes a file, since the flag's own quoting breaks JSON.
        overrides = self.folder / "parameters.yaml"
        overrides.write_text(json.dumps({"Architecture": architecture(), **parameters}))
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
        facts = json.loads(self.facts_file.read_text())
        facts.update({
            "stack": STACK,
            "region": REGION,
            # The API's address on this machine, where {id}.execute-api.localhost may not resolve.
            "api_base": f"{endpoint}/_aws/execute-api/{api_id}/$default",
            # The domain name that the function sees, which signatures cover.
            "api_domain": api_host.rsplit(":", 1)[0],
            "outputs": str(self.outputs_file),
            "build": str(built),
        })
        self.facts_file.write_text(json.dumps(facts, indent=2) + "\n")
        return facts

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
            "VN_PYTHON": sys.executable,
            # For tests of the deployed programs.
            "VN_BUILD": facts["build"],
            # For tests that end the functions' processes, and look at what happened to them.
            "VN_EMULATOR_PID": str(facts["pid"]),
            "VN_EMULATOR_LOG": str(self.folder / "emulator.log"),
            "VN_LOGS": shlex.join([
                sys.executable, str(Path(__file__).resolve().parent),
                "logs", "--name", self.name, "--no-times",
            ]),
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
        """Ends the emulator and the function processes that it started."""
        facts = self.facts()
        target = self.emulator or (facts and facts["pid"])
        if target:
            stop_group(target)
        self.emulator = None
        self.facts_file.unlink(missing_ok=True)
        shutil.rmtree(self.folder / "tmp", ignore_errors=True)
        return bool(target)
