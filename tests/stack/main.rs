//! Stories that run on the deployed stack: what only the template, the roles, the queues and
//! the real functions can show. Several run at the same time, each with its own orders,
//! phones and, where it counts numbers, its own pool. At the end, everything that the stack
//! wrote is searched for real phones.
//!
//! Words on the command line choose the stories whose name contains one of them;
//! `--shared` says that the pools were deployed as shared ones.
#![expect(
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a test stops at the first surprise, and is read by a person"
)]

mod calls;
mod crowd;
mod deaths;
mod orders;
mod pools;
mod privacy;
mod refusals;
mod sizes;

use std::env::args;
use std::process::ExitCode;

use futures_util::StreamExt as _;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::iter;
use serde_json::{Value, json};
use support::deployed::{Result, Stack};
use support::provider::{FakeProvider, PASSWORD};
use support::story::{TWILIO_TOKEN, provider_secret_in};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::Instant;

/// The stack and the providers of all stories.
struct Scene {
    stack: Stack,
    /// The providers that the stack rents numbers from.
    twilio: FakeProvider,
    exotel: FakeProvider,
    /// The provider secret, as the stack has it at first.
    secret: Value,
    /// Whether its pools are shared.
    shared: bool,
}

struct Story {
    name: &'static str,
    play: fn(&'static Scene) -> LocalBoxFuture<'static, Result>,
}

/// Stories that run at the same time. With all of them at once, more functions start than a
/// small or busy machine can run.
const AT_ONCE: usize = 4;

macro_rules! stories {
    ($($module:ident::$name:ident,)*) => {
        [$(Story {
            name: concat!(stringify!($module), "::", stringify!($name)),
            play: |scene| Box::pin($module::$name(scene)),
        }),*]
    };
}

const STORIES: &[Story] = &stories![
    // These take the longest, since they wait for time to pass.
    orders::an_order_whose_end_is_never_told_ends_by_itself,
    crowd::a_hundred_orders_at_once_share_no_number_and_give_all_back,
    pools::a_withdrawn_number_is_free_again_when_it_is_imported_again,
    pools::a_dry_pool_is_announced_and_its_order_is_served_after_an_import,
    calls::customer_and_agent_reach_each_other_on_every_route,
    calls::a_stranger_and_a_withheld_caller_get_nowhere_on_any_route,
    calls::a_wrong_or_missing_signature_is_forbidden,
    calls::a_wrong_or_missing_token_is_forbidden,
    calls::a_new_token_is_taken_without_a_deployment,
    orders::an_order_goes_through_its_whole_life,
    pools::a_pool_that_runs_low_is_checked,
    pools::a_check_without_a_pool_reaches_every_pool,
    pools::a_rented_pool_is_filled_at_twilio_up_to_its_target,
    pools::a_rented_pool_is_filled_at_exotel_up_to_its_target,
    refusals::a_bad_record_is_refused_with_its_reason_and_the_rest_is_served,
    refusals::an_event_on_the_other_queue_is_refused,
    refusals::a_bad_pool_message_is_refused_and_the_next_one_is_served,
    refusals::a_phone_in_a_wrong_field_is_in_no_reason,
    sizes::no_function_outgrows_its_size,
];

/// Stories that would disturb the timing of others. They run one by one after the rest.
const ALONE: &[Story] = &stories![deaths::functions_killed_at_work_lose_and_double_nothing,];

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let words: Vec<String> = args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let chosen = |story: &&Story| {
        words.is_empty() || words.iter().any(|word| story.name.contains(word.as_str()))
    };
    let stories: Vec<&Story> = STORIES.iter().filter(chosen).collect();
    let alone: Vec<&Story> = ALONE.iter().filter(chosen).collect();
    match set_the_scene(args().any(|word| word == "--shared")).await {
        Ok(scene) => {
            let scene = Box::leak(Box::new(scene));
            LocalSet::new().run_until(play(scene, &stories, &alone)).await
        }
        Err(surprise) => {
            eprintln!("{surprise}");
            ExitCode::FAILURE
        }
    }
}

async fn set_the_scene(shared: bool) -> Result<Scene> {
    let (twilio, exotel) = (FakeProvider::start().await, FakeProvider::start().await);
    let mut secret = provider_secret_in("IN");
    for (name, part) in [("twilio", twilio.twilio_part()), ("exotel", exotel.exotel_part())] {
        for (field, value) in part.as_object().into_iter().flatten() {
            secret[name][field] = value.clone();
        }
    }
    // Webhooks are signed with the second of the account's tokens.
    secret["twilio"]["auth_tokens"] = json!([PASSWORD, TWILIO_TOKEN]);
    let stack = Stack::connect(&secret).await?;
    // Enough for all stories that do not count free numbers.
    stack.import("calm", &numbers(1, 0..100)).await?;
    Ok(Scene { stack, twilio, exotel, secret, shared })
}

async fn play(
    scene: &'static Scene,
    stories: &[&'static Story],
    alone: &[&'static Story],
) -> ExitCode {
    println!("\nrunning {} stories", stories.len() + alone.len());
    let began = Instant::now();
    let play = |story: &'static Story| async {
        let end = spawn_local((story.play)(scene)).await.map_err(|panic| panic.to_string());
        (story.name, end.and_then(|end| end.map_err(|surprise| surprise.to_string())))
    };
    let together = iter(stories.iter().copied().map(play)).buffer_unordered(AT_ONCE);
    let mut playing = together.chain(iter(alone.iter().copied().map(play)).buffer_unordered(1));

    let mut ends = Vec::new();
    while let Some((name, end)) = playing.next().await {
        report(name, &end, began);
        ends.push((name, end));
    }
    let name = "privacy::no_real_phone_is_in_a_log_an_announcement_or_a_table_but_routes";
    let whole = ends.len() == STORIES.len() + ALONE.len();
    let end = privacy::search(scene, whole).await.map_err(|surprise| surprise.to_string());
    report(name, &end, began);
    ends.push((name, end));
    let failures: Vec<_> =
        ends.into_iter().filter_map(|(name, end)| Some((name, end.err()?))).collect();

    if failures.is_empty() {
        println!("\nall went as the contract says, in {:.1} s\n", began.elapsed().as_secs_f64());
        return ExitCode::SUCCESS;
    }
    for (name, surprise) in &failures {
        println!("\n---- {name} ----\n{surprise}");
    }
    let mut errors = scene.stack.problems().await;
    errors.retain(|line| line.contains(": ERROR "));
    println!("\n---- errors that the functions logged ----\n{}", errors.join("\n"));
    println!("\n{} failed\n", failures.len());
    ExitCode::FAILURE
}

fn report(name: &str, end: &std::result::Result<(), String>, began: Instant) {
    let word = if end.is_ok() { "ok" } else { "FAILED" };
    println!("story {name} ... {word} (after {:.1} s)", began.elapsed().as_secs_f64());
}

/// Numbers of a pool: `+9122`, two digits for the pool, and six for the number.
fn numbers(pool: u32, range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| format!("+9122{pool:02}{number:06}")).collect()
}
