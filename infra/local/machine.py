"""Paths on this machine, and the environment variables for tools and functions."""

import os
import platform
import socket
import sys
from pathlib import Path

from processes import Failure

ROOT = Path(__file__).resolve().parent.parent.parent
TEMPLATE = ROOT / "infra" / "template.yaml"
SAM_CONFIG = ROOT / "infra" / "samconfig.toml"
LOCAL = ROOT / "target" / "local"
TOOLS = Path(sys.executable).parent

REGION = "us-east-1"
# The emulator treats requests with these credentials as the account owner's.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


def check_machine(*tools):
    if platform.system() != "Linux":
        raise Failure(
            "the functions are Linux programs, and the local AWS runs them as they are: "
            "use a Linux machine, virtual machine or container"
        )
    for tool in tools:
        if not (TOOLS / tool).exists():
            raise Failure(f"{tool} is missing beside {sys.executable}: run `make setup`, "
                          f"then use .venv/bin/python infra/local")


def architecture():
    machine = platform.machine().lower()
    return {"aarch64": "arm64", "arm64": "arm64"}.get(machine, "x86_64")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def tool_env():
    """This shell's environment, with the project's tools and without the shell's AWS account."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    env["PATH"] = f"{TOOLS}{os.pathsep}{env.get('PATH', os.defpath)}"
    env["SAM_CLI_TELEMETRY"] = "0"
    env["AWS_DEFAULT_REGION"] = REGION
    return env


def aws_env(endpoint):
    """The environment of `tool_env`, pointed at the local AWS."""
    no_proxy = ",".join(filter(None, [os.environ.get("NO_PROXY"), "127.0.0.1,localhost"]))
    return {
        **tool_env(),
        **CREDENTIALS,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": REGION,
        # Keeps the user's own AWS profiles out.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        # How long `sam deploy` sleeps between requests for its progress, in seconds. The default
        # spares AWS.
        "SAM_CLI_POLL_DELAY": "0.5",
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
    }


def emulator_env(folder, port, function_env):
    """The whole environment of the emulator. Functions inherit it, so it has nothing of the shell's."""
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "HOME": str(folder / "tmp"),
        "TMPDIR": str(folder / "tmp"),
        "STATE_DIR": str(folder / "tmp" / "state"),
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "MINISTACK_REGION": REGION,
        # Checks each request against the policies of the role that makes it.
        "AUTH": "true",
        # Switches off listeners on fixed ports, which two stacks could not share.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        # Lambda sets this for `LogFormat: JSON`; the emulator does not.
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        **CREDENTIALS,
        **function_env,
    }


def client(service, endpoint, config=None):
    """Returns a boto3 client of the local AWS."""
    import boto3

    return boto3.client(
        service, endpoint_url=endpoint, region_name=REGION, config=config,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )
