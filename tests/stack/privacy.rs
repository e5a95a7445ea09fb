//! What must hold whatever was played.

use std::collections::HashSet;

use support::deployed::{Result, check};

use crate::Scene;

/// Searches all that the stack has written for every real phone of every story;
/// after the `whole` suite, there must have been some.
pub(crate) async fn search(scene: &Scene, whole: bool) -> Result {
    let stack = &scene.stack;
    let mut routes = stack.rows("RoutesTable").await?;
    let live = routes.iter().filter(|row| row.contains_key("connect_to")).count();
    for row in &mut routes {
        row.remove("connect_to");
    }
    let searched = [
        ("Numbers", format!("{:?}", stack.rows("NumbersTable").await?)),
        ("Orders", format!("{:?}", stack.rows("OrdersTable").await?)),
        ("Routes, but for connect_to", format!("{routes:?}")),
        ("the announcements", stack.announcements().join("\n")),
        ("the logs", stack.logs().await?),
        ("the calls that ended", stack.call_events().join("\n")),
    ];
    let phones = stack.phones();
    for (place, text) in &searched {
        let pieces = ten_digits(text);
        // A number as it is dialled at home would tell as much.
        let found = phones.iter().filter(|phone| {
            let at_home = phone.trim_start_matches("+91").as_bytes();
            assert_eq!(at_home.len(), 10, "{phone}");
            pieces.contains(at_home)
        });
        let found: Vec<&String> = found.collect();
        check(&format!("real phones in {place}"), &found, &Vec::new())?;
    }
    if whole {
        // The search has to have something to find.
        let seen = [live, phones.len(), searched[3].1.len(), searched[4].1.len()];
        check("nothing to search", &seen.contains(&0), &false)?;
    }
    Ok(())
}

/// All pieces of ten digits in a text.
fn ten_digits(text: &str) -> HashSet<&[u8]> {
    let runs = text.as_bytes().split(|byte| !byte.is_ascii_digit());
    runs.flat_map(|run| run.windows(10)).collect()
}
