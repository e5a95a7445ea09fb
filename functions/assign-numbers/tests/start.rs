//! The message with which the function ends when it can't start.

use std::process::Command;

fn function() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assign-numbers"));
    command.env_clear();
    command
}

#[test]
fn invalid_pools_end_the_function_with_one_line_that_names_the_field() {
    let output = function().env("POOLS", r#"[{"id":"a","shards":0}]"#).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message =
        String::from_utf8(output.stderr).unwrap() + &String::from_utf8(output.stdout).unwrap();
    assert_eq!(message, "Error: \"Pools[0].shards: must be 1 to 256\"\n");
}

#[test]
fn a_missing_variable_ends_the_function_with_one_line_that_names_it() {
    let output = function().output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(message, "Error: \"environment variable POOLS is not set; the template sets it\"\n");
}
