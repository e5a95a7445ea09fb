"""Builds the functions as they are deployed, or takes quick builds, into a folder for `sam deploy`."""

import fcntl
import hashlib
import re
import shutil

from machine import LOCAL, ROOT, TEMPLATE, TOOLS, architecture, check_machine, tool_env
from processes import Failure, run_to_log, say

# The output of `sam build`: template.yaml, and for each function a folder with `bootstrap`.
BUILD = LOCAL / "build"

# The inputs of the build, which is skipped while they are unchanged.
SOURCES = [
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain.toml",
    "crates",
    "functions",
    "infra/template.yaml",
    "infra/samconfig.toml",
    "infra/requirements-build.txt",
]


def build():
    """Runs `sam build` unless the sources are unchanged. Returns the folder with the result."""
    check_machine("sam", "cargo-lambda")
    LOCAL.mkdir(parents=True, exist_ok=True)
    stamp = LOCAL / "build.stamp"
    log = LOCAL / "build.log"
    # Stacks that start at the same time share one build.
    with open(LOCAL / "build.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = fingerprint()
        if stamp.exists() and stamp.read_text() == wanted and (BUILD / "template.yaml").exists():
            return BUILD
        stamp.unlink(missing_ok=True)
        log.unlink(missing_ok=True)
        run_to_log(
            "building the functions as they are deployed (about 10 minutes on 2 cores, the first time)",
            [
                TOOLS / "sam", "build",
                "--template-file", TEMPLATE,
                "--build-dir", BUILD,
                "--parameter-overrides", f"Architecture={architecture()}",
            ],
            log,
            tool_env(),
            ROOT,
        )
        stamp.write_text(wanted)
    return BUILD


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


def lay_out(programs, folder):
    """Copies programs that cargo built, named as the functions, into a folder as `sam build` does."""
    say("the functions are a quick build, not optimised: `make build` makes those that you deploy")
    shutil.rmtree(folder, ignore_errors=True)

    def code_uri(line):
        function = line[1]
        (folder / function).mkdir(parents=True)
        try:
            shutil.copy2(programs / function, folder / function / "bootstrap")
        except FileNotFoundError as error:
            raise Failure(f"--programs: there is no {function} in {programs}") from error
        return f"CodeUri: {function}\n"

    template = re.sub(r"CodeUri: \.\./functions/(\S+)\n", code_uri, TEMPLATE.read_text())
    (folder / "template.yaml").write_text(template)
    return folder
