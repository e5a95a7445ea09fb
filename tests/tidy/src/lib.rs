//! The rules of ARCHITECTURE.md that a program can check, as tests. A failure names the rule,
//! the place and the remedy.
//!
//! | tests | check |
//! | --- | --- |
//! | `dependencies` | which crate may depend on which, and that no dependency is unused |
//! | `rooms` | what only certain files may use: tables, clock, environment, phones |
//! | `files` | how long a file may be, and that no files of a crate import in a circle |
//! | `documents` | that every page is linked, that every alarm is explained, and that alarms match texts that the code logs |
//! | `template` | that each resource has what all of its kind must have |
//! | `licences` | that packages from outside have an allowed licence and source |
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test stops at the first surprise"
)]

pub mod source;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The folder of the project.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("this crate is two folders deep").to_owned()
}

/// The output of `cargo metadata` for this machine's platform.
pub fn metadata() -> Value {
    let mut cargo = Command::new(env!("CARGO"));
    // Packages for other platforms may not be downloaded.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    cargo.args(["metadata", "--format-version", "1", "--locked"]);
    cargo.args(["--filter-platform", &platform]);
    let output = cargo.current_dir(root()).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}

/// Fails with the list of the places that break a rule.
#[track_caller]
pub fn assert_none(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}\n  {}", broken.join("\n  "));
}
