#!/usr/bin/env python3
"""Change the product in small ways, one at a time, and see whether the tests notice.

cargo-mutants makes the mutants: it swaps comparisons and logical operators, drops match
arms and replaces function bodies. Each is tried on the tests of its own package first,
which takes seconds; those that survive are tried on the handlers, the simulation and the
model too. What survives both must be in tests/mutants/harmless.toml, with the reason;
an entry there that is no mutant any more is an error as well.

    tests/mutants/run.py                     all of them: hours on two cores
    tests/mutants/run.py --shard 0/8         an eighth of them
    tests/mutants/run.py --sample 60         sixty, drawn anew each time
    tests/mutants/run.py --file 'crates/masking/src/order/*.rs'
"""

import argparse
import fnmatch
import json
import random
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HARMLESS = Path(__file__).with_name("harmless.toml")
OUTPUT = ROOT / "target" / "mutants"
# The tests that no package of the product has for itself.
OUTER_TESTS = ["integration", "simulation", "model"]


def cargo_mutants(*arguments, capture=False):
    command = ["cargo", "mutants", "--output", str(OUTPUT), *arguments]
    return subprocess.run(command, cwd=ROOT, text=True, check=False,
                          stdout=subprocess.PIPE if capture else None)


def list_mutants(arguments):
    listed = cargo_mutants("--list", "--json", *arguments, capture=True)
    if listed.returncode != 0:
        sys.exit("cargo mutants could not list the mutants: see above")
    return [it["name"] for it in json.loads(listed.stdout)]


def without_place(name):
    """A mutant's name without line and column, which move with every edit."""
    return re.sub(r":\d+:\d+: ", ": ", name)


def exactly(names):
    return "^(" + "|".join(re.escape(name) for name in names) + ")$"


def survivors():
    outcomes = json.loads((OUTPUT / "mutants.out" / "outcomes.json").read_text())["outcomes"]
    return [it["scenario"]["Mutant"]["name"] for it in outcomes
            if it["summary"] == "MissedMutant"]


def run(names, tests, how):
    """Tries these mutants, and returns those that no test noticed."""
    if not names:
        return []
    done = cargo_mutants("--no-shuffle", "--baseline", "skip", "--timeout", "300", *how,
                         "--re", exactly(names), *tests)
    # 0: all caught; 2: some missed; 3: some ran out of time, which is noticed too.
    if done.returncode not in (0, 2, 3):
        sys.exit(f"cargo mutants failed (exit code {done.returncode}): see above")
    return survivors()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shard", metavar="K/N", help="only the Kth of N parts, from 0")
    parser.add_argument("--sample", metavar="N", type=int, help="only N of them, at random")
    parser.add_argument("--file", metavar="GLOB", action="append", default=[],
                        help="only those in these files; may be repeated")
    parser.add_argument("--jobs", metavar="N", type=int, default=2, help="at the same time (2)")
    parser.add_argument("--in-place", action="store_true",
                        help="change this very checkout instead of a copy: one job, warm builds")
    given = parser.parse_args()

    entries = tomllib.loads(HARMLESS.read_text())["harmless"]
    harmless = {it["mutant"]: it["reason"] for it in entries}
    everything = list_mutants([])
    known = {without_place(name) for name in everything}
    if stale := [name for name in harmless if name not in known]:
        print("These are in harmless.toml and are no mutants any more:", *stale, sep="\n  ")
        return 1

    names = list_mutants(["--shard", given.shard]) if given.shard else everything
    if given.file:
        names = [name for name in names
                 if any(fnmatch.fnmatch(name.split(":")[0], glob) for glob in given.file)]
    if given.sample:
        names = random.sample(names, min(given.sample, len(names)))
    print(f"{len(names)} of {len(everything)} mutants", flush=True)

    how = ["--in-place"] if given.in_place else ["--jobs", str(given.jobs)]
    alive = run(names, [], how)
    print(f"{len(alive)} survive the tests of their own package", flush=True)
    outer = [word for package in OUTER_TESTS for word in ("--test-package", package)]
    alive = run(alive, outer, how)

    excused = [name for name in alive if without_place(name) in harmless]
    wrong = [name for name in alive if without_place(name) not in harmless]
    print(f"{len(names) - len(alive)} of {len(names)} were noticed or do not compile, "
          f"{len(excused)} are harmless, {len(wrong)} survive and should not.")
    for name in wrong:
        print(f"  {name}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
