"""The commands of `infra/local`: one function for each."""

import json
import shlex
import subprocess
from pathlib import Path

from broker import TOPIC
from build import BUILD, build, lay_out
from events import fresh_event
from logs import Log, show
from machine import ROOT, aws_env, check_machine
from processes import Failure, quietly, say, stop_group


KAFKA_HELP = """
  Kafka: {servers}. Order events may also come on its topic {topic}. To send one
  in a shell that `env` has pointed at the stack, with kcat (of librdkafka 2.16; 2.0 of Debian 12
  does not understand this broker) or with Python:

EVENT='{{"type":"order.agent_assigned","order_id":"o-2","version":1,"participants":[{{"role":"customer","phone":"+6281211112222"}},{{"role":"agent","phone":"+6281333334444"}}]}}'

echo "$EVENT" | kcat -P -b "$VN_KAFKA" -t {topic} -k o-2

"$VN_PYTHON" - "$EVENT" <<'END'
import os, sys
from confluent_kafka import Producer

producer = Producer({{"bootstrap.servers": os.environ["VN_KAFKA"]}})
producer.produce("{topic}", key="o-2", value=sys.argv[1])
print("records left to send:", producer.flush(10))
END"""


def start(stack, arguments):
    """Builds the functions, starts the emulator unless one runs, and deploys the template."""
    check_machine("ministack", "sam")
    parameters = dict(arguments.parameter)
    if arguments.pools:
        parameters["Pools"] = read_pools(arguments.pools)
    built = None if arguments.programs else build()
    running = stack.facts()
    if running and arguments.function_env:
        raise Failure("--function-env only works on a new stack: run `make down` first")
    endpoint = running["endpoint"] if running else stack.start_emulator(dict(arguments.function_env))
    if arguments.kafka and "kafka" not in stack.recorded():
        stack.start_kafka(endpoint)
    if arguments.programs:
        built = lay_out(Path(arguments.programs), stack.folder / "build")
    facts = stack.deploy(endpoint, built, parameters)
    return facts if "page" in facts else stack.start_page(endpoint)


def read_pools(value):
    try:
        text = value if value.lstrip().startswith("[") else Path(value).read_text()
        return json.dumps(json.loads(text), separators=(",", ":"))
    except (OSError, ValueError) as error:
        raise Failure(f"--pools: neither JSON nor a file with JSON in it: {error}") from error


def up(stack, arguments):
    existed = stack.facts() is not None
    try:
        facts = start(stack, arguments)
    except BaseException:
        if not existed:
            quietly(stack.down)
        raise
    say("")
    say(f"The stack is up. Local AWS: {facts['endpoint']}   Calls: {facts['api_base']}/calls/…")
    say(f"How it does: {facts['page']}")
    say(f"Its outputs are in {stack.outputs_file.relative_to(ROOT)}. Next:")
    say("")
    say("  eval \"$(make -s env)\"   sets AWS_ENDPOINT_URL and the outputs ($AssignQueueUrl …)")
    say("  make logs              shows what the functions logged; FOLLOW=1 goes on")
    say("  make down              ends it")
    if "kafka" in facts:
        say(KAFKA_HELP.format(servers=facts["kafka"], topic=TOPIC), prefix="")


def run(stack, arguments):
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if not command:
        raise Failure("run: say what to run, such as `infra/local run -- make -s env`")
    stack.require_none(otherwise=", or choose another --name")
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
        # Leaves nothing running, whatever happened.
        quietly(lambda: process and stop_group(process), stack.down)


def build_only(*_):
    build()
    say(f"The functions are built: {BUILD.relative_to(ROOT)}")


def down(stack, _):
    say(f"The local stack {stack.name} is down." if stack.down()
        else f"No local stack named {stack.name} was running.")


def status(stack, _):
    facts = stack.require_facts()
    print(json.dumps({**facts, "outputs": stack.outputs()}, indent=2))


def env(stack, arguments):
    facts = stack.require_facts()
    variables = stack.command_env(facts) | stack.outputs()
    if arguments.function:
        variables |= stack.function_settings(facts["endpoint"], arguments.function)
    for name, value in variables.items():
        print(f"export {name}={shlex.quote(value)}")


def event(stack, arguments):
    print(fresh_event(stack, arguments.function, arguments.order, arguments.route))


def logs(stack, arguments):
    log = Log(stack.require_facts()["endpoint"], arguments.function, arguments.grep)
    show(log, arguments.times, arguments.follow)
