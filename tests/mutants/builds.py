"""Builds the product with its mutants, and runs the tests that reach each of them."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from switches import SWITCH, File, with_switch

# The packages whose tests run beside those of the mutated ones.
OUTER_TESTS = {"integration", "simulation", "model"}
# A run that takes so many times longer than without a mutant, and a while, goes round in circles.
PATIENCE, LONGEST = 8, 30


@dataclass(frozen=True)
class Test:
    binary: str
    folder: str
    name: str


def copy_of(root, tree):
    """Copies the files of the project, without those that git ignores, into a folder."""
    tree.mkdir(parents=True, exist_ok=True)
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"],
                            cwd=root, text=True, capture_output=True, check=True).stdout.split("\n")
    wanted = {name for name in listed if name and (root / name).is_file()}
    for path in [it for it in tree.rglob("*") if it.is_file()]:
        if str(path.relative_to(tree)) not in wanted:
            path.unlink()
    for name in wanted:
        write(tree / name, (root / name).read_bytes())


def write(path, text):
    """Writes a file, unless it is so already: cargo builds again what is newer."""
    if not path.exists() or path.read_bytes() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)


def cargo(tree, target, *arguments):
    """Runs cargo, and returns its messages."""
    done = subprocess.run(
        ["cargo", *arguments, "--message-format=json"], cwd=tree, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "CARGO_TARGET_DIR": str(target)},
    )
    messages = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return done.returncode, messages, done.stderr


def build(root, tree, target, mutants):
    """Builds all mutants that can be built behind switches.

    Returns the test binaries, as {path: folder}, and the mutants that are in them.
    """
    copy_of(root, tree)
    write(tree / "crates/switch/src/lib.rs", SWITCH.encode())
    write(tree / "crates/switch/Cargo.toml",
          b'[package]\nname = "switch"\nversion = "0.1.0"\nedition = "2024"\n')
    files = defaultdict(list)
    for mutant in mutants:
        files[mutant.file].append(mutant)
    for folder in {"/".join(file.split("/")[:2]) for file in files}:
        manifest = with_switch((root / folder / "Cargo.toml").read_text())
        write(tree / folder / "Cargo.toml", manifest.replace("SWITCH", "../../crates/switch").encode())
    dropped = set()
    for attempt in range(1, 60):
        placed = set()
        for name, own in files.items():
            for mutant in own:
                mutant.written = []
            file = File((root / name).read_bytes(), [it for it in own if it.number not in dropped])
            write(tree / name, file.write())
            placed |= file.placed
        code, messages, text = cargo(tree, target, "build", "--workspace", "--tests", "--keep-going")
        if code == 0:
            return binaries(messages), [it for it in mutants if it.number in placed]
        wrong = at_fault(messages, files)
        if not wrong:
            errors = [it["message"]["rendered"] for it in messages if it["reason"] ==
                      "compiler-message" and it["message"]["level"] == "error"]
            sys.exit(f"the mutants do not build, and none is at fault:\n{''.join(errors) or text}")
        dropped |= wrong
        print(f"  build {attempt}: {len(wrong)} more do not compile behind a switch", flush=True)
    sys.exit("the mutants do not build")


def at_fault(messages, files):
    """The mutants at which the compiler's errors are: the innermost ones."""
    wrong = set()
    for message in messages:
        if message["reason"] != "compiler-message" or message["message"]["level"] != "error":
            continue
        for span in message["message"]["spans"]:
            around = [(end - start, mutant.number) for mutant in files.get(span["file_name"], [])
                      for start, end in mutant.written
                      if start <= span["byte_start"] and span["byte_end"] <= end]
            if span["is_primary"] and around:
                smallest = min(around)[0]
                wrong |= {number for size, number in around if size == smallest}
    return wrong


def binaries(messages):
    """The test binaries, with the folder of each."""
    return {it["executable"]: str(Path(it["manifest_path"]).parent) for it in messages
            if it["reason"] == "compiler-artifact" and it["executable"] and it["profile"]["test"]}


def of_interest(found, mutants):
    """The binaries with tests of the product: its own, and the outer ones."""
    packages = {it.package for it in mutants} | OUTER_TESTS
    return {path: folder for path, folder in found.items() if Path(folder).name in packages}


def tests_in(binary, folder):
    listed = subprocess.run([binary, "--list", "--format", "terse"], cwd=folder, text=True,
                            capture_output=True, check=True).stdout
    return [Test(binary, folder, line.removesuffix(": test")) for line in listed.splitlines()
            if line.endswith(": test")]


def run(binary, folder, names, variables, limit):
    """Runs tests of a binary. Returns whether they passed; None if they took too long."""
    process = subprocess.Popen(
        [binary, "--exact", "--test-threads=1", *names], cwd=folder,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        env={**os.environ, "RUST_BACKTRACE": "0", **variables},
    )
    try:
        return process.wait(limit) == 0
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.wait()
        return None


class Reach:
    """Which tests pass which mutants, and how long each takes."""

    def __init__(self, found, folder, jobs):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        tests = [test for binary, place in found.items() for test in tests_in(binary, place)]
        self.seconds, self.tests = {}, defaultdict(list)
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(lambda it: self.try_out(folder / str(it[0]), it[1]), enumerate(tests)))
        for reaching in self.tests.values():
            reaching.sort(key=lambda test: self.seconds[test])

    def try_out(self, file, test):
        began = time.monotonic()
        if not run(test.binary, test.folder, [test.name], {"VN_REACHED": str(file)}, 600):
            sys.stderr.write(f"fails without any mutant: {test.name}\n")
            os._exit(1)
        self.seconds[test] = time.monotonic() - began
        if file.exists():
            for number in set(file.read_text().split()):
                self.tests[int(number)].append(test)

    def notice(self, mutant):
        """Whether a test notices the mutant: its name, or None."""
        groups = defaultdict(list)
        for test in self.tests.get(mutant.number, []):
            groups[test.binary].append(test)
        quickest = sorted(groups.values(), key=lambda group: min(self.seconds[it] for it in group))
        for group in quickest:
            # The quick ones first: most mutants fail one of them.
            for part in (group[:6], group[6:40], group[40:]):
                if not part:
                    continue
                usual = sum(self.seconds[test] for test in part)
                passed = run(part[0].binary, part[0].folder, [test.name for test in part],
                             {"VN_MUTANT": str(mutant.number)}, LONGEST + PATIENCE * usual)
                if not passed:
                    return "a test fails" if passed is False else "it takes too long"
        return None
