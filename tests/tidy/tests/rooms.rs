//! Words that only certain files may use.

use tidy::assert_none;
use tidy::source::{File, files, product};

/// Fails for each line with one of `words` in a file outside of `rooms`.
#[track_caller]
fn only_in(rooms: &[&str], words: &[&str], files: &[File], rule: &str) {
    let elsewhere = |file: &&File| !rooms.iter().any(|room| file.path.starts_with(room));
    let mut broken = Vec::new();
    for file in files.iter().filter(elsewhere) {
        broken.extend(words.iter().flat_map(|word| file.places(word)));
    }
    assert_none(rule, &broken);
    let mut inside = files.iter().filter(|file| !elsewhere(file));
    let used = inside.any(|file| words.iter().any(|word| !file.places(word).is_empty()));
    assert!(used, "{rule}\n  this rule looks for nothing: no file has any of {words:?}");
}

#[test]
fn only_masking_store_names_attributes_and_expressions() {
    // The attributes that no public interface has. (`caller_id`, say, is a field of JSON too.)
    let attributes =
        ["pool_shard", "available_at", "reusable_at", "last_event", "provider_id", "ttl"];
    let quoted: Vec<String> = attributes.iter().map(|name| format!("\"{name}\"")).collect();
    let mut words: Vec<&str> = quoted.iter().map(String::as_str).collect();
    words.extend([
        "_expression(",
        ".table_name(",
        ".index_name(",
        "AttributeValue::S(",
        "AttributeValue::N(",
    ]);
    only_in(
        &["crates/masking-store/"],
        &words,
        &product(),
        "Only masking-store may name attributes of tables and write expressions, so that a \
         change of a row is a change of one crate.",
    );
}

#[test]
fn only_lambda_support_reads_the_clock_and_the_environment() {
    only_in(
        &["crates/lambda-support/"],
        &["SystemTime", "env::var"],
        &product(),
        "Time and settings are arguments, so that tests can choose them.",
    );
}

#[test]
fn only_main_asks_for_the_clock_and_the_environment() {
    let mains: Vec<String> = files(&["functions"], &["rs"])
        .into_iter()
        .map(|file| file.path)
        .filter(|path| path.ends_with("/src/main.rs"))
        .collect();
    assert!(!mains.is_empty());
    let mut rooms: Vec<&str> = mains.iter().map(String::as_str).collect();
    rooms.push("crates/lambda-support/");
    only_in(
        &rooms,
        &["Clock::system", "clock::unix_seconds", "env::process"],
        &product(),
        "Only a main.rs may ask for the system's time or a variable of the process: it hands \
         them on as arguments.",
    );
}

#[test]
fn a_phone_is_revealed_where_it_is_hashed_stored_or_answered() {
    only_in(
        &[
            // The type itself, and the keyed hash of it.
            "crates/masking/src/phone.rs",
            "crates/masking/src/phone_hash.rs",
            // `connect_to` in the routes table.
            "crates/masking-store/src/",
            // The answer to a call; and credentials, which are revealed to their provider.
            "crates/providers/src/",
        ],
        &["reveal()"],
        &product(),
        "A phone may leave its type only where it is hashed, stored or answered, so that no \
         log, error or announcement can hold it.",
    );
}

#[test]
fn a_providers_name_stands_in_its_folder_and_in_the_lists() {
    only_in(
        &[
            "crates/providers/src/exotel/",
            "crates/providers/src/twilio/",
            // The lists of providers: of their modules, webhooks, number APIs and secrets.
            "crates/providers/src/lib.rs",
            "crates/providers/src/parts.rs",
            "crates/providers/src/providers.rs",
            "crates/providers/src/rental_secret.rs",
            "crates/providers/src/secret.rs",
            // The enum that pools name.
            "crates/masking/src/pool.rs",
        ],
        &["twilio", "Twilio", "exotel", "Exotel"],
        &product(),
        "A provider is a place: whoever adds or changes one looks into one folder and the lists.",
    );
}

#[test]
fn the_rules_do_no_io() {
    let files = files(&["crates/masking/src", "crates/masking-memory/src"], &["rs"]);
    let mut broken = Vec::new();
    for file in &files {
        for word in ["async ", "std::fs", "std::net", "std::thread", "Instant::now", "println!"] {
            broken.extend(file.places(word));
        }
    }
    assert_none("The rules are functions of values: no I/O, no waiting, no clock.", &broken);
}

#[test]
fn nothing_deployed_prints_or_panics_by_hand() {
    let mut broken = Vec::new();
    for file in product() {
        for word in ["println!", "eprintln!", "panic!(", "todo!(", "unimplemented!("] {
            broken.extend(file.places(word));
        }
    }
    assert_none("What is deployed logs by `tracing` and returns its errors.", &broken);
}
