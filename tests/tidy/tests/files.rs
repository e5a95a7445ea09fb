//! The length of files, and circles of imports.

use std::collections::{BTreeMap, BTreeSet};

use tidy::assert_none;
use tidy::source::{File, files};

/// A source file that is longer holds more than one idea.
const LONGEST_SOURCE: usize = 400;
/// Tests repeat more, and are read one at a time.
const LONGEST_TEST: usize = 600;

/// Whether a file contains only tests.
fn is_test(path: &str) -> bool {
    path.starts_with("tests/integration/")
        || path.starts_with("tests/stack/")
        || path.ends_with("/tests.rs")
        || path.contains("/tests/") && !path.starts_with("tests/support/")
}

#[test]
fn no_file_is_longer_than_one_idea() {
    let folders = ["crates", "functions", "tools", "bench", "tests", "fuzz", "infra"];
    let mut broken = Vec::new();
    for file in files(&folders, &["rs", "py", "mjs"]) {
        let limit = if is_test(&file.path) { LONGEST_TEST } else { LONGEST_SOURCE };
        let lines = file.text.lines().count();
        if limit < lines {
            broken.push(format!("{}: {lines} lines, {limit} at most", file.path));
        }
    }
    assert_none("Split a file by its ideas before it gets longer.", &broken);
}

#[test]
fn every_file_says_what_it_is_for() {
    let folders = ["crates", "functions", "tools", "bench", "tests", "fuzz"];
    let mut broken = Vec::new();
    for file in files(&folders, &["rs"]) {
        let inner = |file: &File| file.path.ends_with("/tests.rs");
        if !file.text.starts_with("//! ") && !inner(&file) {
            broken.push(file.path);
        }
    }
    assert_none("A file begins with a `//!` line that says what it is for.", &broken);
}

#[test]
fn no_files_of_a_crate_import_each_other_in_a_circle() {
    let sources = files(&["crates", "functions", "tools", "bench", "tests"], &["rs"]);
    let mut crates: BTreeMap<String, Vec<&File>> = BTreeMap::new();
    for file in &sources {
        if let Some((name, _)) = file.path.split_once("/src/") {
            crates.entry(name.to_owned()).or_default().push(file);
        }
    }
    let mut broken = Vec::new();
    for (name, files) in &crates {
        broken.extend(Modules::of(name, files).circles());
    }
    assert_none("Files that need each other are one idea, or hide a third.", &broken);
}

/// The modules of a crate, by their paths: `order::plan`.
struct Modules {
    imports: BTreeMap<String, BTreeSet<String>>,
}

impl Modules {
    fn of(name: &str, files: &[&File]) -> Self {
        let path_of = |file: &File| {
            let path = file.path.trim_start_matches(name).trim_start_matches("/src/");
            let path = path.trim_end_matches(".rs").trim_end_matches("/mod");
            path.replace('/', "::")
        };
        let is_root = |path: &str| path == "lib" || path == "main" || path.starts_with("bin::");
        let mut modules: BTreeMap<String, &File> = BTreeMap::new();
        for file in files {
            let path = path_of(file);
            if !is_root(&path) && !path.ends_with("::tests") {
                modules.insert(path, file);
            }
        }
        // Re-exports of a module from its children: `pub use self::plan::Plan`.
        let mut reexports: BTreeMap<(String, String), String> = BTreeMap::new();
        for file in files {
            let path = path_of(file);
            let parent = if is_root(&path) { String::new() } else { path };
            for (child, names) in uses(file, "self::") {
                for item in names {
                    reexports.insert((parent.clone(), item), join(&parent, &child));
                }
            }
        }
        let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (path, file) in &modules {
            let parent = path.rsplit_once("::").map_or("", |(parent, _)| parent);
            let mut found = BTreeSet::new();
            for (base, prefix) in [("", "crate::"), (parent, "super::")] {
                for (module, names) in uses(file, prefix) {
                    for item in names {
                        let at = join(base, &module);
                        found.insert(resolve(&at, &item, &modules, &reexports));
                    }
                }
            }
            found.retain(|it| it != path && modules.contains_key(it));
            // A parent that re-exports its children does not depend on them.
            found.retain(|it| !it.starts_with(&format!("{path}::")));
            imports.insert(join(name, path), found.iter().map(|it| join(name, it)).collect());
        }
        Self { imports }
    }

    /// The circles, each once.
    fn circles(&self) -> Vec<String> {
        let mut found: BTreeSet<Vec<String>> = BTreeSet::new();
        for start in self.imports.keys() {
            let reached = self.reached(start);
            if reached.contains(start) {
                let circle = reached.iter().filter(|it| self.reached(it).contains(start));
                found.insert(circle.map(|it| (*it).clone()).collect());
            }
        }
        found.into_iter().map(|circle| circle.join(" <-> ")).collect()
    }

    /// The modules that a module imports, itself or through others.
    fn reached(&self, from: &String) -> BTreeSet<&String> {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(at) = next.pop() {
            for it in self.imports.get(at).into_iter().flatten() {
                if seen.insert(it) {
                    next.push(it);
                }
            }
        }
        seen
    }
}

fn join(parent: &str, child: &str) -> String {
    match (parent, child) {
        ("", it) | (it, "") => it.to_owned(),
        _ => format!("{parent}::{child}"),
    }
}

/// The module that defines a name.
fn resolve(
    at: &str,
    item: &str,
    modules: &BTreeMap<String, &File>,
    reexports: &BTreeMap<(String, String), String>,
) -> String {
    let inner = join(at, item);
    let (module, item) = inner.rsplit_once("::").unwrap_or(("", &inner));
    let (mut at, item) = (module.to_owned(), item);
    if modules.contains_key(&inner) {
        return inner.clone();
    }
    while let Some(next) = reexports.get(&(at.clone(), item.to_owned())) {
        if *next == at {
            break;
        }
        at.clone_from(next);
    }
    at
}

/// The modules and names that a file uses by `use <prefix>a::b::{C, D}` or by full path.
fn uses(file: &File, prefix: &str) -> Vec<(String, Vec<String>)> {
    let code: Vec<&str> = file.code().map(|(_, line)| line.trim()).collect();
    let code = code.join(" ");
    let mut found = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        let before = code.get(..at).unwrap_or_default().chars().next_back();
        if before.is_some_and(|it| it.is_alphanumeric() || it == '_' || it == ':') {
            continue;
        }
        let rest = code.get(at + prefix.len()..).unwrap_or_default();
        let word = |it: &char| it.is_alphanumeric() || *it == '_' || *it == ':';
        let path: String = rest.chars().take_while(word).collect();
        let list = rest.get(path.len()..).unwrap_or_default().strip_prefix('{');
        let (module, names) = match list {
            Some(list) => {
                let inside = list.split('}').next().unwrap_or_default();
                let names = inside.split(',').map(|it| it.split_whitespace().next());
                let names = names.flatten().map(|it| it.trim_start_matches("self").to_owned());
                (path.trim_end_matches("::").to_owned(), names.collect())
            }
            None => match path.rsplit_once("::") {
                Some((module, name)) => (module.to_owned(), vec![name.to_owned()]),
                None => (String::new(), vec![path.clone()]),
            },
        };
        found.push((module, names));
    }
    found
}

#[test]
fn a_circle_is_found() {
    let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
    let files = [
        file("crates/x/src/lib.rs", "mod a;\nmod b;\nmod c;\npub use self::b::B;\n"),
        file("crates/x/src/a.rs", "use crate::B;\nuse crate::c::{self, C, d::D};\n"),
        file("crates/x/src/b.rs", "fn f() { crate::a::g() }\n"),
        file("crates/x/src/c.rs", "use std::fmt;\n"),
    ];
    let circles = Modules::of("crates/x", &files.iter().collect::<Vec<_>>()).circles();
    assert_eq!(circles, ["crates/x::a <-> crates/x::b"]);
    let line = &files[..1].iter().chain(&files[2..]).collect::<Vec<_>>();
    assert!(Modules::of("crates/x", line).circles().is_empty());
}
