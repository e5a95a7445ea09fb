"""Run the whole system on this machine, without an AWS account.

Starts a local AWS emulator on a free port, builds the functions, deploys
infra/template.yaml into it with `sam`, and hands the stack to a command:

    infra/local run -- COMMAND        a stack for as long as COMMAND runs
    infra/local up                    keep a stack running to play with
    infra/local up --kafka            the same, with a Kafka broker beside it
    infra/local logs --follow         what its functions log, as it comes
    eval "$(infra/local env)"         point this shell at it
    infra/local event assign-numbers  a fresh event for one function alone
    infra/local down

(`infra/local` stands for `.venv/bin/python infra/local`, after `make setup`.
Every command has its own --help.)

The emulator checks every request of a function against the function's role in
the template, so a function that works here has the permissions that it needs.

Several stacks can run at once, told apart by --name. Everything that a stack
writes is under target/local/<name>/: emulator.log, deploy.log, local.json (how
to reach it) and outputs.json (the template's outputs); with --kafka, also
broker.log and poller.log.
"""

import argparse
import sys

import commands
from events import ROUTES
from processes import Failure, Stopped, stop_on_signals
from stack import Stack


def key_value(text):
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise argparse.ArgumentTypeError(f"{text!r}: expected NAME=VALUE")
    return key, value


def parse():
    parser = argparse.ArgumentParser(
        prog="infra/local", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name, run, summary, default_name="main", deploys=False):
        sub = subparsers.add_parser(name, help=summary, description=summary)
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
            sub.add_argument("--programs", metavar="FOLDER",
                             help="deploy the programs in this folder, named as the functions, "
                                  "instead of building the functions as they are deployed")
            sub.add_argument("--kafka", action="store_true",
                             help="also start a Kafka broker, and take order events from its topic "
                                  "too; a stack that has one keeps it")
        return sub

    add("up", commands.up, "Start a stack, or deploy again into the one that runs.", deploys=True)
    add("build", commands.build_only, "Build the functions as they are deployed (`up` does it too).")
    add("down", commands.down, "End a stack and everything that it started.")

    run = add("run", commands.run, "Start a stack, run a command on it, end it whatever happens.",
              default_name="run", deploys=True)
    run.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND …",
                     help="gets AWS_ENDPOINT_URL, AWS_REGION, credentials, VN_OUTPUTS (file of the "
                          "outputs), VN_API_BASE (where to send calls), VN_API_DOMAIN (the domain "
                          "name that the function sees, which signatures are over), VN_PAGE (the page of "
                          "its dashboard), VN_LOGS (a "
                          "shell command that prints every log line), VN_PYTHON (the Python "
                          "that has the tools) and, with --kafka, VN_KAFKA (the address of the "
                          "broker); its exit code is this command's")

    env = add("env", commands.env, "Print the lines that point a shell at a stack, for eval.")
    env.add_argument("--function", metavar="NAME",
                     help="also the settings of this function, such as assign-numbers, to run it "
                          "alone with cargo lambda watch")

    event = add("event", commands.event,
                "Print an event for a function that runs alone, made fresh for a stack.")
    event.add_argument("function", metavar="FUNCTION", help="such as assign-numbers")
    event.add_argument("--order", metavar="ID", default="try-1",
                       help="which order it is about (default: try-1)")
    event.add_argument("--route", choices=ROUTES, default=ROUTES[0],
                       help="who asks resolve-call: a switch (the default), Twilio or Exotel")

    logs = add("logs", commands.logs, "Print what the functions of a stack logged.")
    logs.add_argument("--function", metavar="NAME",
                      help="only of functions whose name begins so, such as assign")
    logs.add_argument("--grep", metavar="TEXT", help="only lines with this text in them")
    logs.add_argument("--follow", action="store_true", help="go on printing what comes")
    logs.add_argument("--no-times", dest="times", action="store_false",
                      help="without the time of each line, for programs")

    add("status", commands.status, "Print how to reach a stack, as JSON.")
    return parser.parse_args()


def main():
    stop_on_signals()
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
