//! The dependencies of each crate, inside the project and outside.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use tidy::source::files;
use tidy::{assert_none, metadata, root};

/// The crates of the product, the ones of the project that each may use, and why not more.
const MAY_USE: &[(&str, &[&str], &str)] = &[
    ("masking", &[], "the rules stand alone, so that a reader needs nothing else"),
    ("masking-memory", &["masking"], "the model and the planner run without AWS"),
    ("masking-store", &["masking", "lambda-support"], "tables know no provider and no queue"),
    ("providers", &["masking"], "a provider knows no table and no AWS"),
    ("lambda-support", &[], "it knows nothing of numbers, so that it stays small"),
    (
        "front-door",
        &["masking", "providers", "journal", "lambda-support"],
        "it proves whose a request is, and reads no table",
    ),
    ("journal", &[], "a line has words and figures, and knows no rule"),
    (
        "order-events",
        &["masking", "masking-store", "journal", "lambda-support"],
        "orders know no provider",
    ),
    (
        "resolve-call",
        &["masking", "masking-store", "providers", "front-door", "journal", "lambda-support"],
        "a call changes no order",
    ),
    (
        "assign-numbers",
        &["masking", "masking-store", "order-events", "journal", "lambda-support"],
        "an order knows no provider",
    ),
    (
        "release-numbers",
        &["masking", "masking-store", "order-events", "journal", "lambda-support"],
        "an order knows no provider",
    ),
    (
        "report-call",
        &["masking", "masking-store", "providers", "front-door", "journal", "lambda-support"],
        "a report changes no order",
    ),
    (
        "forward-events",
        &["masking", "journal", "lambda-support"],
        "it carries events, and touches no table",
    ),
    (
        "refill-pool",
        &["masking", "masking-store", "providers", "journal", "lambda-support"],
        "a pool knows no order",
    ),
    (
        "check-settings",
        &["masking", "providers", "lambda-support"],
        "settings are checked by the parsers of those that use them, and touch no table",
    ),
];

/// Packages that a crate must never link, itself or through others, and why.
const NEVER_LINKS: &[(&str, &[&str], &str)] = &[
    (
        "masking",
        &["aws-", "aws_", "lambda", "tokio", "hyper", "reqwest", "rustls"],
        "the rules do no I/O",
    ),
    ("masking-memory", &["aws-", "aws_", "lambda", "tokio"], "the model runs without AWS"),
    ("providers", &["aws-", "aws_", "lambda"], "a provider is tested without AWS"),
    ("lambda-support", &["reqwest"], "the functions of orders link one HTTP client, the SDK's"),
    (
        "resolve-call",
        &["aws-sdk-s3", "openssl-sys", "native-tls", "aws-lc"],
        "one TLS: rustls on ring",
    ),
    ("refill-pool", &["openssl-sys", "native-tls", "aws-lc"], "one TLS: rustls on ring"),
    ("check-settings", &["openssl-sys", "native-tls", "aws-lc"], "one TLS: rustls on ring"),
];

/// Dependencies that no file names, and why they are declared nevertheless.
const NAMED_NOWHERE: &[(&str, &str, &str)] = &[
    ("lambda-support", "sync_wrapper", "turns features on, so that all functions share one build"),
    ("lambda-support", "tower", "turns features on, so that all functions share one build"),
];

fn members(metadata: &Value) -> BTreeMap<&str, &Value> {
    let packages = metadata["packages"].as_array().expect("packages");
    let members: BTreeSet<&str> = metadata["workspace_members"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let own = packages.iter().filter(|it| it["id"].as_str().is_some_and(|id| members.contains(id)));
    own.filter_map(|it| Some((it["name"].as_str()?, it))).collect()
}

/// The declared dependencies of a package, without those of its tests.
fn dependencies(package: &Value) -> impl Iterator<Item = &Value> {
    let all = package["dependencies"].as_array();
    all.into_iter().flatten().filter(|it| it["kind"] != "dev")
}

fn folder(package: &Value) -> String {
    let manifest = Path::new(package["manifest_path"].as_str().expect("a manifest"));
    let folder = manifest.parent().expect("a folder");
    folder.strip_prefix(root()).expect("in the project").to_str().expect("UTF-8").to_owned()
}

#[test]
fn each_crate_uses_only_what_it_may() {
    let metadata = metadata();
    let members = members(&metadata);
    let mut broken = Vec::new();
    for (name, package) in &members {
        let folder = folder(package);
        let is_product = folder.starts_with("crates/") || folder.starts_with("functions/");
        let rule = MAY_USE.iter().find(|(it, ..)| it == name);
        match rule {
            None if is_product => broken.push(format!("{name}: say here what it may use")),
            None => {}
            Some((_, may, why)) => {
                let own = dependencies(package).filter_map(|it| it["name"].as_str());
                let own = own.filter(|it| members.contains_key(it) && !may.contains(it));
                broken.extend(own.map(|it| format!("{name} may not use {it}: {why}")));
            }
        }
    }
    for (name, ..) in MAY_USE.iter().filter(|(name, ..)| !members.contains_key(name)) {
        broken.push(format!("{name} is no crate any more: take it out here"));
    }
    assert_none("Dependencies go one way: functions, then crates, then the rules.", &broken);
}

/// The packages that a package links, itself or through others.
fn linked<'a>(metadata: &'a Value, start: &Value) -> BTreeSet<&'a str> {
    let nodes = metadata["resolve"]["nodes"].as_array().expect("a graph");
    let nodes: BTreeMap<&str, &Value> =
        nodes.iter().filter_map(|it| Some((it["id"].as_str()?, it))).collect();
    let packages = metadata["packages"].as_array().expect("packages");
    let names: BTreeMap<&str, &str> =
        packages.iter().filter_map(|it| Some((it["id"].as_str()?, it["name"].as_str()?))).collect();
    let start = names.keys().find(|id| Some(**id) == start["id"].as_str()).expect("a package");
    let (mut seen, mut next) = (BTreeSet::new(), vec![*start]);
    while let Some(at) = next.pop() {
        for dependency in nodes[at]["deps"].as_array().into_iter().flatten() {
            let normal = |it: &Value| it["kind"].is_null();
            let kinds = dependency["dep_kinds"].as_array();
            if kinds.into_iter().flatten().any(normal)
                && let Some(id) = dependency["pkg"].as_str()
                && seen.insert(id)
            {
                next.push(id);
            }
        }
    }
    seen.into_iter().map(|id| names[id]).collect()
}

#[test]
fn no_crate_links_what_it_never_may() {
    let metadata = metadata();
    let members = members(&metadata);
    let mut broken = Vec::new();
    for (name, never, why) in NEVER_LINKS {
        let Some(package) = members.get(name) else {
            broken.push(format!("{name} is no crate any more: take it out here"));
            continue;
        };
        let linked = linked(&metadata, package);
        let found = linked.iter().filter(|it| never.iter().any(|never| it.starts_with(never)));
        broken.extend(found.map(|it| format!("{name} links {it}: {why}")));
    }
    assert_none("What a crate links is part of its promise.", &broken);
}

#[test]
fn nothing_deployed_uses_the_tests_or_the_tools() {
    let metadata = metadata();
    let members = members(&metadata);
    let is_deployed = |name: &str| MAY_USE.iter().any(|(it, ..)| *it == name);
    let mut broken = Vec::new();
    for (name, package) in members.iter().filter(|(name, _)| is_deployed(name)) {
        for other in linked(&metadata, package) {
            if members.contains_key(other) && !is_deployed(other) {
                broken.push(format!("{name} links {other}"));
            }
        }
    }
    assert_none("Crates and functions never depend on tests, tools or the benchmark.", &broken);
}

#[test]
fn every_dependency_that_is_declared_is_named_in_a_file() {
    let metadata = metadata();
    let mut broken = Vec::new();
    for (name, package) in members(&metadata) {
        let folder = folder(package);
        let sources = files(&[&folder], &["rs"]);
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let crate_name = dependency["rename"].as_str().or(dependency["name"].as_str());
            let crate_name = crate_name.expect("a name");
            if NAMED_NOWHERE.iter().any(|(of, it, _)| (*of, *it) == (name, crate_name)) {
                continue;
            }
            let ident = crate_name.replace('-', "_").replace("dynoxide_rs", "dynoxide");
            let uses = |text: &str| {
                [format!("{ident}::"), format!("use {ident}"), format!("{ident}!")]
                    .iter()
                    .any(|it| text.contains(it))
            };
            if !sources.iter().any(|file| uses(&file.text)) {
                broken.push(format!("{name}: {crate_name}"));
            }
        }
    }
    assert_none("A dependency that nothing uses costs every build: take it out.", &broken);
}

#[test]
fn every_member_takes_lints_version_and_licence_from_the_workspace() {
    let metadata = metadata();
    let mut broken = Vec::new();
    for (name, package) in members(&metadata) {
        let path = package["manifest_path"].as_str().expect("a manifest");
        let manifest = std::fs::read_to_string(path).expect("it can be read");
        for line in ["version.workspace = true", "license.workspace = true"] {
            if !manifest.contains(line) {
                broken.push(format!("{name}: {line}"));
            }
        }
        if !manifest.contains("[lints]\nworkspace = true") {
            broken.push(format!("{name}: [lints] workspace = true"));
        }
    }
    assert_none("A member of the workspace has the workspace's rules.", &broken);
}
