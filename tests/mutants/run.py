#!/usr/bin/env python3
"""Change the product in small ways, one at a time, and see whether the tests notice.

cargo-mutants lists the changes: it swaps comparisons and logical operators, drops match arms and
fields, and replaces function bodies. All of them are built at once, each behind a switch, and each
is tried on the tests that reach it, the quick ones first. What survives must be in
tests/mutants/harmless.toml, with the reason; an entry there that is no mutant any more is an error
as well.

    tests/mutants/run.py                     all of them
    tests/mutants/run.py --sample 60         sixty, drawn anew each time
    tests/mutants/run.py --file 'crates/masking/src/order/*.rs'
    tests/mutants/run.py --again             those that survived the last run

What does not compile behind a switch is not tried. Most of it would not compile by itself either;
--alone says which would.
"""

import argparse
import fnmatch
import json
import os
import random
import re
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import builds
from switches import read

ROOT = Path(__file__).resolve().parents[2]
HARMLESS = Path(__file__).with_name("harmless.toml")
OUTPUT = ROOT / "target" / "mutants"
SURVIVORS = OUTPUT / "survivors.json"


def list_mutants():
    listed = subprocess.run(["cargo", "mutants", "--list", "--json"], cwd=ROOT, text=True,
                            check=False, stdout=subprocess.PIPE)
    if listed.returncode != 0:
        sys.exit("cargo mutants could not list the mutants: see above")
    return read(json.loads(listed.stdout), ROOT)


def without_place(name):
    """A mutant's name without line and column, which move with every edit."""
    return re.sub(r":\d+:\d+: ", ": ", name)


def chosen(mutants, given):
    """The mutants that the arguments ask for."""
    if given.file:
        mutants = [it for it in mutants if any(fnmatch.fnmatch(it.file, glob) for glob in given.file)]
    if given.again:
        last = set(json.loads(SURVIVORS.read_text()))
        mutants = [it for it in mutants if without_place(it.name) in last]
    if given.sample:
        mutants = random.sample(mutants, min(given.sample, len(mutants)))
    return mutants


def compiles_alone(mutant, tree, target):
    """Whether a mutant compiles in the place of the code that it changes."""
    source = (ROOT / mutant.file).read_bytes()
    changed = source[:mutant.start] + mutant.replacement.encode() + source[mutant.end:]
    builds.write(tree / mutant.file, changed)
    code, _, _ = builds.cargo(tree, target, "check", "--package", mutant.package, "--lib")
    builds.write(tree / mutant.file, source)
    return code == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", metavar="N", type=int, help="only N of them, at random")
    parser.add_argument("--file", metavar="GLOB", action="append", default=[],
                        help="only those in these files; may be repeated")
    parser.add_argument("--again", action="store_true", help="only the survivors of the last run")
    parser.add_argument("--alone", action="store_true",
                        help="also see which of those that have no switch compile by themselves")
    parser.add_argument("--jobs", metavar="N", type=int, default=os.cpu_count(),
                        help="at the same time (as many as there are processors)")
    given = parser.parse_args()

    entries = tomllib.loads(HARMLESS.read_text())["harmless"]
    harmless = {it["mutant"]: it["reason"] for it in entries}
    everything = list_mutants()
    known = {without_place(it.name) for it in everything}
    if stale := [name for name in harmless if name not in known]:
        print("These are in harmless.toml and are no mutants any more:", *stale, sep="\n  ")
        return 1

    mutants = chosen(everything, given)
    print(f"{len(mutants)} of {len(everything)} mutants; building them", flush=True)
    tree, target = OUTPUT / "tree", OUTPUT / "build"
    found, switched = builds.build(ROOT, tree, target, mutants)
    found = builds.of_interest(found, everything)
    print(f"{len(switched)} are built. Running each test alone, to see what it reaches", flush=True)
    reach = builds.Reach(found, OUTPUT / "reached", given.jobs)

    alive, slow, done = [], 0, 0
    with ThreadPoolExecutor(given.jobs) as pool:
        for mutant, how in zip(switched, pool.map(reach.notice, switched)):
            done += 1
            slow += how == "it takes too long"
            if how is None:
                alive.append(mutant)
                print(f"  survives: {mutant.name}", flush=True)
            if done % 200 == 0:
                print(f"  {done} tried", flush=True)
    SURVIVORS.write_text(json.dumps([without_place(it.name) for it in alive], indent=1))

    numbers = {it.number for it in switched}
    without = [it for it in mutants if it.number not in numbers]
    if given.alone:
        builds.copy_of(ROOT, OUTPUT / "alone")
        for mutant in without:
            if compiles_alone(mutant, OUTPUT / "alone", OUTPUT / "check"):
                print(f"  compiles alone, and was not tried: {mutant.name}", flush=True)
    wrong = [it for it in alive if without_place(it.name) not in harmless]
    print(f"{len(switched) - len(alive)} were noticed ({slow} by taking too long), "
          f"{len(alive) - len(wrong)} are harmless, {len(wrong)} survive and should not; "
          f"{len(without)} do not compile behind a switch.")
    for mutant in wrong:
        print(f"  {mutant.name}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
