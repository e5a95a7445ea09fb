//! The rules of deny.toml for packages from outside, checked against Cargo.lock.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use spdx::{Expression, Licensee};
use tidy::{assert_none, metadata, root};
use toml::Table;

/// The packages from outside the project.
fn outsiders(metadata: &Value) -> impl Iterator<Item = &Value> {
    let packages = metadata["packages"].as_array().expect("packages");
    packages.iter().filter(|it| !it["source"].is_null())
}

fn rules() -> Table {
    let text = fs::read_to_string(root().join("deny.toml")).expect("deny.toml is there");
    text.parse().expect("deny.toml is TOML")
}

fn name(package: &Value) -> String {
    let text = |field: &str| package[field].as_str().unwrap_or_default().to_owned();
    format!("{} {}", text("name"), text("version"))
}

#[test]
fn every_package_has_a_licence_that_is_allowed() {
    let (metadata, rules) = (metadata(), rules());
    let allowed = rules["licenses"]["allow"].as_array().expect("a list");
    let allowed: Vec<Licensee> = allowed
        .iter()
        .map(|it| Licensee::parse(it.as_str().expect("a text")).expect("a licence of SPDX"))
        .collect();
    let mut broken = Vec::new();
    for package in outsiders(&metadata) {
        let text = package["license"].as_str().unwrap_or_default();
        let fits = Expression::parse_mode(text, spdx::ParseMode::LAX)
            .is_ok_and(|it| it.evaluate(|wanted| allowed.iter().any(|it| it.satisfies(wanted))));
        if !fits {
            broken.push(format!("{}: {text:?}", name(package)));
        }
    }
    assert_none("A licence must be in deny.toml's list.", &broken);
}

#[test]
fn no_package_is_banned() {
    let (metadata, rules) = (metadata(), rules());
    let bans = rules["bans"]["deny"].as_array().expect("a list");
    let mut broken = Vec::new();
    for ban in bans {
        let ban = ban["crate"].as_str().expect("a text");
        let (banned, below) = ban.split_once("@<").unwrap_or((ban, ""));
        for package in outsiders(&metadata).filter(|it| it["name"] == banned) {
            if below.is_empty() || is_below(package["version"].as_str().unwrap_or("0"), below) {
                broken.push(name(package));
            }
        }
    }
    assert_none("deny.toml bans these, and says why.", &broken);
}

/// Compares versions such as `0.22.4` and `0.23`, part by part.
fn is_below(version: &str, limit: &str) -> bool {
    let parts = |text: &str| -> Vec<u64> {
        text.split(['.', '-', '+']).map_while(|it| it.parse().ok()).collect()
    };
    parts(version) < parts(limit)
}

#[test]
fn every_package_comes_from_the_registry() {
    let metadata = metadata();
    let sources: BTreeSet<&str> =
        outsiders(&metadata).filter_map(|it| it["source"].as_str()).collect();
    let elsewhere = sources.iter().filter(|it| !it.starts_with("registry+"));
    let elsewhere: Vec<String> = elsewhere.map(ToString::to_string).collect();
    assert_none("A package comes from the registry, where it can't change.", &elsewhere);
    assert!(sources.len() <= 1, "from one registry: {sources:?}");
}

#[test]
fn versions_are_compared_by_number() {
    assert!(is_below("0.21.12", "0.23") && is_below("0.14.32", "1"));
    assert!(!is_below("0.23.0", "0.23") && !is_below("1.10.0", "1.9"));
}
