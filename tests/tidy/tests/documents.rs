//! Links of pages, the alarms, and the log texts that they match.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;
use std::path::Path;

use tidy::source::{File, files, product};
use tidy::{assert_none, root};

fn pages() -> Vec<File> {
    let at_root = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md"];
    let all = files(&["."], &["md"])
        .into_iter()
        .map(|file| File { path: file.path.trim_start_matches("./").to_owned(), ..file });
    all.filter(|it| it.path.starts_with("docs/") || at_root.contains(&it.path.as_str())).collect()
}

/// The files that a page links, as paths from the project's folder.
fn links(page: &File) -> Vec<String> {
    let folder = Path::new(&page.path).parent().unwrap_or(Path::new(""));
    let mut found = Vec::new();
    for part in page.text.split("](").skip(1) {
        let target = part.split(')').next().unwrap_or_default();
        let target = target.split('#').next().unwrap_or_default();
        if target.is_empty() || target.contains("://") || target.contains(' ') {
            continue;
        }
        let mut path: Vec<&str> = Vec::new();
        let joined = folder.join(target);
        for step in joined.to_str().unwrap_or_default().split('/') {
            match step {
                "." | "" => {}
                ".." => drop(path.pop()),
                step => path.push(step),
            }
        }
        found.push(path.join("/"));
    }
    found
}

#[test]
fn every_link_leads_to_a_file() {
    let mut broken = Vec::new();
    for page in pages() {
        for target in links(&page) {
            if !root().join(&target).exists() {
                broken.push(format!("{}: {target}", page.path));
            }
        }
    }
    assert_none("A link leads to a file of the project.", &broken);
}

#[test]
fn every_file_of_docs_is_linked() {
    let linked: BTreeSet<String> = pages().iter().flat_map(links).collect();
    let all = files(&["docs"], &["md", "svg", "png", "txt", "csv"]);
    let broken: Vec<String> =
        all.into_iter().map(|file| file.path).filter(|path| !linked.contains(path)).collect();
    assert_none("A page that no other page links is never read: link it.", &broken);
}

fn template() -> String {
    let files = files(&["infra"], &["yaml"]);
    let template = files.into_iter().find(|it| it.path == "infra/template.yaml");
    template.expect("it is there").text
}

/// Patterns for lines that no function writes.
const OF_AWS: [&str; 1] = [
    // The API's own access log.
    r#"{ $.status = "429" }"#,
];

/// The texts in the template's metric filters.
fn texts_that_alarms_listen_to() -> BTreeSet<String> {
    let template = template();
    let lines = template.lines().filter_map(|line| line.split_once("FilterPattern: "));
    let patterns = lines.map(|(_, pattern)| pattern.trim_matches('\''));
    let ours = patterns.filter(|pattern| !OF_AWS.contains(pattern));
    let text = |pattern: &str| {
        let text = pattern.strip_prefix("{ $.fields.message = \"")?.strip_suffix("\" }")?;
        Some(text.to_owned())
    };
    ours.map(|pattern| text(pattern).expect("a pattern for one text")).collect()
}

#[test]
fn every_alarm_is_explained_and_every_explained_alarm_exists() {
    let template = template();
    let names = template.lines().filter_map(|line| line.strip_prefix("  ")?.strip_suffix("Alarm:"));
    let alarms: BTreeSet<String> = names.map(|name| format!("{name}Alarm")).collect();
    assert!(!alarms.is_empty(), "the template has alarms");
    let pages = pages();
    let page = pages.iter().find(|it| it.path == "docs/operations.md").expect("it is there");
    let rows = page.text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let rows: BTreeSet<String> =
        rows.map(|(name, _)| name.to_owned()).filter(|name| name.ends_with("Alarm")).collect();
    let missing = alarms.difference(&rows).map(|it| format!("{it} has no row"));
    let extra = rows.difference(&alarms).map(|it| format!("{it} is no alarm"));
    assert_none(
        "Whoever is woken by an alarm looks it up in docs/operations.md.",
        &missing.chain(extra).collect::<Vec<_>>(),
    );
}

#[test]
fn every_alarm_listens_to_a_constant_that_the_code_logs() {
    let sources = product();
    let mut broken = Vec::new();
    let texts = texts_that_alarms_listen_to();
    assert!(!texts.is_empty(), "the template has metric filters");
    for text in texts {
        let constant = sources.iter().find_map(|file| {
            file.code().find_map(|(_, line)| {
                let rest = line.trim().split_once("const ")?.1;
                let (name, value) = rest.split_once(": &str = ")?;
                (value == format!("\"{text}\";")).then(|| name.to_owned())
            })
        });
        let logged = constant.as_ref().is_some_and(|name| {
            let logs = |line: &str| line.contains(&format!("\"{{{name}}}\""));
            sources.iter().any(|file| file.code().any(|(_, line)| logs(line)))
        });
        if !logged {
            broken.push(format!("\"{text}\": constant {constant:?}, logged: {logged}"));
        }
    }
    assert_none(
        "An alarm hears nothing once its text is reworded: keep the text in a `const`, and log \
         `\"{NAME}\"`.",
        &broken,
    );
}

/// The names of code in a page: `Types::method` and `functions()`.
fn names_of_code(page: &File) -> Vec<String> {
    let quoted = page.text.split('`').skip(1).step_by(2);
    let is_name = |it: &str| {
        (it.contains("::") || it.ends_with("()"))
            && it.trim_end_matches("()").chars().all(|c| c.is_alphanumeric() || "_:".contains(c))
    };
    let names = quoted.filter(|it| is_name(it));
    let last = |it: &str| it.trim_end_matches("()").rsplit("::").next().map(str::to_owned);
    names.filter_map(last).collect()
}

#[test]
fn architecture_names_only_code_that_exists() {
    let sources = files(&["crates", "functions", "tools", "bench", "tests"], &["rs"]);
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let words: BTreeSet<&str> =
        sources.iter().flat_map(|file| file.text.split(|c| !is_word(c))).collect();
    let pages = pages();
    let page = pages.iter().find(|it| it.path == "ARCHITECTURE.md").expect("it is there");
    let names = names_of_code(page);
    assert!(20 < names.len(), "the page names code: {names:?}");
    let broken: Vec<String> =
        names.into_iter().filter(|name| !words.contains(name.as_str())).collect();
    assert_none("A renamed function is renamed in ARCHITECTURE.md too.", &broken);
}
