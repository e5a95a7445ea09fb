//! Stories played on the deployed stack. Some run at the same time on one stack,
//! each with its own orders, phones and, where numbers are counted, pool. When all
//! are over, everything that the stack wrote is searched for their real phones.
//!
//! Words on the command line choose the stories with one of them in their name;
//! `--shared` says that the pools were deployed as shared ones. If the stack takes order events
//! from a topic, all stories send theirs there.
#![expect(
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a test stops at the first surprise, and is read by a person"
)]

mod calls;
mod clusters;
mod crowd;
mod deaths;
mod deployments;
mod forwarding;
mod orders;
mod pools;
mod privacy;
mod refusals;
mod sizes;
mod waiting;

use std::env::args;
use std::process::ExitCode;

use futures_util::StreamExt as _;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::iter;
use lambda_support::env;
use serde_json::{Value, json};
use support::deployed::{Result, Stack};
use support::provider::FakeProvider;
use support::story::{TWILIO_TOKEN, provider_secret_in};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::Instant;

/// Where stories are played.
struct Scene {
    stack: Stack,
    /// The providers that the stack rents numbers from.
    twilio: FakeProvider,
    exotel: FakeProvider,
    /// What the stack knows of them.
    secret: Value,
    /// Whether its pools are shared.
    shared: bool,
}

struct Story {
    name: &'static str,
    play: fn(&'static Scene) -> LocalBoxFuture<'static, Result>,
}

/// All at once, the functions would start in such numbers that a small machine, or one
/// that is busy, can't keep up.
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
    // These wait for time to pass, while others go on.
    orders::an_order_whose_end_is_never_told_ends_by_itself,
    crowd::a_hundred_orders_at_once_share_no_number_and_give_all_back,
    orders::a_completed_order_connects_for_its_grace,
    pools::a_withdrawn_number_serves_no_new_order_until_it_is_imported_again,
    pools::a_dry_pool_is_announced_and_its_order_is_served_after_an_import,
    // These do not.
    calls::customer_and_agent_reach_each_other_on_every_route,
    calls::what_became_of_a_call_is_told_by_every_provider,
    calls::a_stranger_and_a_withheld_caller_get_nowhere_on_any_route,
    calls::a_number_that_is_not_ours_is_not_told_apart,
    calls::a_missing_or_malformed_number_is_named,
    calls::a_wrong_or_missing_signature_is_forbidden,
    calls::a_wrong_or_missing_token_is_forbidden,
    calls::a_new_token_is_taken_without_a_deployment,
    orders::an_order_goes_through_its_whole_life,
    orders::whoever_is_replaced_gets_nowhere_at_once,
    orders::each_of_five_people_reaches_each_other_one,
    orders::an_event_delivered_twice_is_announced_twice_and_changes_nothing,
    orders::a_late_assignment_finds_its_order_closed,
    orders::an_assignment_that_is_over_when_it_comes_holds_nothing,
    pools::a_pool_that_runs_low_is_checked,
    pools::a_check_without_a_pool_reaches_every_pool,
    pools::a_rented_pool_is_filled_at_twilio_up_to_its_target,
    pools::a_rented_pool_is_filled_at_exotel_up_to_its_target,
    refusals::a_bad_record_is_refused_with_its_reason_and_the_rest_is_served,
    refusals::an_event_on_the_other_queue_is_refused,
    refusals::a_bad_pool_message_is_refused_and_the_next_one_is_served,
    refusals::a_phone_in_a_wrong_field_reaches_no_log,
    sizes::no_function_outgrows_its_size,
];

/// These would upset the timing of others, and are played when those are over.
const ALONE: &[Story] = &stories![
    deaths::functions_killed_at_work_lose_and_double_nothing,
    deployments::settings_that_can_not_be_used_fail_the_deployment,
    waiting::sixty_numbers_serve_two_hundred_orders_within_a_minute,
    waiting::orders_that_wait_for_one_pool_do_not_slow_another,
];

/// These are played alone too, where the stack takes order events from a topic.
const WITH_TOPIC: &[Story] = &stories![
    clusters::each_kind_of_cluster_gets_its_mapping_and_rights,
    forwarding::five_thousand_events_arrive_whatever_fails,
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let words: Vec<String> = args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let chosen = |story: &&Story| {
        words.is_empty() || words.iter().any(|word| story.name.contains(word.as_str()))
    };
    let stories: Vec<&Story> = STORIES.iter().filter(chosen).collect();
    let with_topic = if env::process("VN_KAFKA").is_some() { WITH_TOPIC } else { &[] };
    let alone: Vec<&Story> = ALONE.iter().chain(with_topic).filter(chosen).collect();
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
    // Webhooks are signed with the second of the account's tokens.
    secret["twilio"]["auth_tokens"] = json!(["auth-token-before-the-rotation", TWILIO_TOKEN]);
    let stack = Stack::connect(&secret).await?;
    let accounts = json!({"twilio": twilio.twilio_part(), "exotel": exotel.exotel_part()});
    stack.given_rental_secret(&accounts).await?;
    // Enough for all stories that do not count what is left.
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

    let mut failures = Vec::new();
    while let Some((name, end)) = playing.next().await {
        report(name, &end, began);
        failures.extend(end.err().map(|surprise| (name, surprise)));
    }
    let name = "privacy::no_real_phone_is_in_a_log_an_announcement_or_a_table_but_routes";
    let whole = STORIES.len() + ALONE.len() <= stories.len() + alone.len();
    let end = privacy::search(scene, whole).await.map_err(|surprise| surprise.to_string());
    report(name, &end, began);
    failures.extend(end.err().map(|surprise| (name, surprise)));

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

/// Numbers of a pool: `+9122`, two digits of the pool's own, and these six.
fn numbers(pool: u32, range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| format!("+9122{pool:02}{number:06}")).collect()
}
