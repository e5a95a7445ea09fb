//! The project's files, and the parts of a Rust file that the rules check.

use std::fs;
use std::path::{Path, PathBuf};

use crate::root;

/// A file of the project.
#[derive(Clone, Debug)]
pub struct File {
    /// Its path from the project's folder, with `/`.
    pub path: String,
    /// Its whole text.
    pub text: String,
}

/// Folders without files of the project.
const FOREIGN: [&str; 6] = ["target", ".venv", ".git", "node_modules", ".aws-sam", "__pycache__"];

/// All files with one of these endings below these folders, in order.
pub fn files(folders: &[&str], endings: &[&str]) -> Vec<File> {
    let mut paths = Vec::new();
    for folder in folders {
        collect(&root().join(folder), &mut paths);
    }
    paths.sort();
    let ends = |path: &PathBuf| {
        path.extension().is_some_and(|it| endings.contains(&it.to_str().unwrap_or_default()))
    };
    paths.into_iter().filter(ends).map(|path| File::read(&path)).collect()
}

/// The Rust files of the product: crates and functions.
pub fn product() -> Vec<File> {
    files(&["crates", "functions"], &["rs"])
        .into_iter()
        .filter(|file| !file.path.contains("/tests/"))
        .collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() {
            if !FOREIGN.iter().any(|it| name == *it) {
                collect(&path, paths);
            }
        } else {
            paths.push(path);
        }
    }
}

impl File {
    fn read(path: &Path) -> Self {
        let relative = path.strip_prefix(root()).expect("a file of the project");
        Self {
            path: relative.to_str().expect("a name in UTF-8").replace('\\', "/"),
            text: fs::read_to_string(path).unwrap_or_default(),
        }
    }

    /// The lines of code with their numbers, without unit tests and comments.
    pub fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_test_file = self.path.ends_with("/tests.rs") || self.path.contains("/tests/");
        let tests = self.text.find("\n#[cfg(test)]\nmod tests {").unwrap_or(self.text.len());
        let end = if is_test_file { 0 } else { tests };
        self.text.get(..end).unwrap_or_default().lines().zip(1..).filter_map(|(line, number)| {
            let code = line.split("// ").next().unwrap_or_default();
            (!line.trim_start().starts_with("//")).then_some((number, code))
        })
    }

    /// The lines of code that contain this text, as `path:number: line`.
    pub fn places(&self, what: &str) -> Vec<String> {
        let found = self.code().filter(|(_, line)| line.contains(what));
        found.map(|(number, line)| format!("{}:{number}: {}", self.path, line.trim())).collect()
    }
}
