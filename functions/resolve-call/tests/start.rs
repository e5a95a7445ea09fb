//! The message with which the function ends when it can't start.

use std::process::Command;

#[test]
fn sentences_that_can_not_be_used_end_the_function_with_one_line_that_names_the_field() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_resolve-call"));
    command.env_clear();
    for name in ["ROUTES_TABLE", "SERVICE_SECRET_ARN", "PROVIDER_SECRET_ARN"] {
        command.env(name, "x");
    }
    command.env("SENTENCES", r#"{"not_connected":{"say":"x","language":"secret-7!"}}"#);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).unwrap();
    let reason = "must be a language tag, such as `id-ID`";
    assert_eq!(message, format!("Error: \"Sentences.not_connected.language: {reason}\"\n"));
}
