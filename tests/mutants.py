#!/usr/bin/env python3
"""Break the code in one way after the other, and see whether the tests notice.

Each mutant takes one condition, one comparison of versions or one comparison of
times out of the product. It is caught when a test fails (or the code no longer
compiles); one that lives is a hole in the tests, or harmless, and then says why.

The mutants are made in a copy of the project under target/mutants, so that the
checkout is never touched. The result is written to docs/mutants.md.

    tests/mutants.py             all of them
    tests/mutants.py claim       those with that word in their name
"""

import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COPY = ROOT / "target" / "mutants" / "project"
TARGET = ROOT / "target" / "mutants" / "target"
RESULT = ROOT / "docs" / "mutants.md"

# Tried in this order; the first that fails has caught the mutant.
TESTS = [
    ("rules", ["cargo", "test", "--quiet", "--locked", "-p", "masking", "-p", "lambda-support"]),
    ("stories", ["cargo", "test", "--quiet", "--locked", "-p", "tests", "--test", "integration"]),
    ("simulation", ["cargo", "test", "--quiet", "--locked", "-p", "simulation"]),
]

ORDERS = "crates/masking-store/src/orders.rs"
NUMBERS = "crates/masking-store/src/numbers.rs"
ROUTES = "crates/masking-store/src/routes.rs"
DECIDE = "crates/masking/src/decide.rs"
PLAN = "crates/masking/src/plan.rs"
ORDER = "crates/masking/src/order.rs"
CALL = "crates/masking/src/call.rs"
APPLY = "crates/order-events/src/apply.rs"
ASSIGN = "functions/assign-numbers/src/handler.rs"
CHECK = "functions/refill-pool/src/check.rs"

# What it is, where, what stands there, and what stands there instead.
MUTANTS = [
    # Conditions of the writes.
    ("order row: written though it is there", ORDERS,
     '"attribute_not_exists(order_id)"', '"attribute_not_exists(order_id) OR attribute_exists(order_id)"'),
    ("order row: written whatever its revision", ORDERS,
     '"#revision = :read"', '"#revision = :read OR attribute_exists(order_id)"'),
    ("order row: blind write whatever its state", ORDERS,
     "(#state = :unassigned \\\n                     AND", "((#state = :unassigned OR attribute_exists(order_id)) \\\n                     AND"),
    ("order row: blind write whatever its version", ORDERS,
     "AND #version < :version", "AND (#version < :version OR attribute_exists(order_id))"),
    ("order row: blind write whatever its pool", ORDERS,
     "OR #pool = :pool)", "OR attribute_exists(#pool))"),
    ("order row: revision not raised", ORDERS,
     "if_not_exists(#revision, :zero) + :one", "if_not_exists(#revision, :one)"),
    ("claim: a withdrawn number", ORDERS,
     '"attribute_exists(pool_shard) AND available_at <= :now"', '"available_at <= :now"'),
    ("claim: a number that is not free", ORDERS,
     '"attribute_exists(pool_shard) AND available_at <= :now"', '"attribute_exists(pool_shard) AND (available_at <= :now OR available_at > :now)"'),
    ("keep: a number of someone else", ORDERS,
     '"SET available_at = :available_at")\n                .condition_expression("order_id = :order_id")',
     '"SET available_at = :available_at")\n                .condition_expression("order_id = :order_id OR attribute_exists(available_at)")'),
    ("release: a number of someone else", ORDERS,
     'REMOVE order_id")\n                .condition_expression("order_id = :order_id")',
     'REMOVE order_id")\n                .condition_expression("order_id = :order_id OR attribute_exists(available_at)")'),
    ("route on a kept number: whosever it is", ORDERS,
     '"attribute_not_exists(#number) OR reusable_at <= :now OR order_id = :order_id"',
     '"attribute_not_exists(#number) OR attribute_exists(#number) OR reusable_at <= :now OR order_id = :order_id"'),
    ("route on a kept number: not even the order's own", ORDERS,
     '"attribute_not_exists(#number) OR reusable_at <= :now OR order_id = :order_id"',
     '"(attribute_not_exists(#number) OR reusable_at <= :now) AND NOT contains(order_id, :order_id)"'),
    ("route on a fresh number: whosever it is", ORDERS,
     '"attribute_not_exists(#number) OR reusable_at <= :now"\n',
     '"attribute_not_exists(#number) OR attribute_exists(#number) OR reusable_at <= :now"\n'),
    ("end of a route: of someone else", ORDERS,
     '.update_expression(format!("{set}{strip}"))\n                    .condition_expression("order_id = :order_id")',
     '.update_expression(format!("{set}{strip}"))\n                    .condition_expression("order_id = :order_id OR attribute_exists(order_id)")'),
    ("add: a number that has a row", NUMBERS,
     '.condition_expression("attribute_not_exists(#number)")',
     '.condition_expression("attribute_not_exists(#number) OR attribute_exists(#number)")'),
    ("import: a number of another pool", NUMBERS,
     '"attribute_not_exists(#number) OR #pool = :pool"', '"attribute_not_exists(#number) OR attribute_exists(#pool) OR #pool = :pool"'),
    ("withdraw: a number of another pool", NUMBERS,
     'None => update.condition_expression("#pool = :pool")', 'None => update.condition_expression("#pool = :pool OR attribute_exists(#pool)")'),
    ("withdraw: a number of another provider", NUMBERS,
     '"#pool = :pool AND #provider = :provider"', '"#pool = :pool AND (#provider = :provider OR attribute_exists(#provider))"'),
    # Reads.
    ("read of a route: not strongly consistent", ROUTES, ".consistent_read(true)", ".consistent_read(false)"),
    ("read of an order: not strongly consistent", ORDERS, ".consistent_read(true)", ".consistent_read(false)"),
    ("free numbers: whenever available", NUMBERS,
     "let rows = answer.items.unwrap_or_default().into_iter().map(row);",
     "let rows = answer.items.unwrap_or_default().into_iter().map(row).take(1);"),
    # Comparisons of versions, kinds and states.
    ("version: an older event acts", DECIDE,
     "_ if version < order.version => return Ok(Decision::Ignore(Ignored::Stale)),", ""),
    ("version: an equal event acts", DECIDE,
     "_ if version > order.version => {}", "_ if version >= order.version => {}"),
    ("version: a close may lower it", PLAN, "order.version.max(self.version)", "self.version"),
    ("closed: an event acts", DECIDE,
     "(State::Closed(_), _) => return Ok(Decision::Ignore(Ignored::Closed)),", ""),
    ("closed: a second close acts", DECIDE,
     "(State::Closed(_), Asked::Close(_)) => return Ok(Decision::AnnounceAgain),",
     "(State::Closed(_), Asked::Close(_)) => {}"),
    ("close: only if it is not older", DECIDE, "(_, Asked::Close(_)) => {}", "(_, Asked::Close(_)) if version >= order.version => {}"),
    ("same kind: not told from another", DECIDE,
     "(state, _) if asked.is_what_made(state) => return Ok(Decision::AnnounceAgain),", ""),
    ("waiting: taken for a duplicate", DECIDE,
     "(State::Assigned(Holding { waiting: true, .. }), Asked::Assign(_)) => {}", ""),
    ("pool: another than the order's", DECIDE, "*pool != wish.pool.id", "*pool != wish.pool.id && false"),
    # Comparisons of times.
    ("expiry: an expired route connects", CALL,
     "Some(connect_to) if now < route.expires_at", "Some(connect_to) if now < route.reusable_at"),
    ("expiry: a route connects at its very end", CALL,
     "Some(connect_to) if now < route.expires_at", "Some(connect_to) if now <= route.expires_at"),
    ("expiry: an ended route says no_route", CALL, "_ if now < route.reusable_at", "_ if now < route.expires_at"),
    ("expiry: an expired order holds numbers", ORDER,
     "State::Assigned(holding) if now < holding.expires_at => Some(holding),",
     "State::Assigned(holding) => Some(holding),"),
    ("expiry: an expired order is announced as assigned", ORDER,
     "State::Assigned(holding) if now < holding.expires_at => {", "State::Assigned(holding) if holding.expires_at == holding.expires_at => {"),
    ("expiry: an assignment that is over is served", DECIDE, "if expires_at <= now {", "if expires_at < now {"),
    ("expiry: longer than the pool allows", DECIDE, "expires_at.min(latest)", "expires_at"),
    ("cool-down: none after a release", PLAN,
     "let cooled = end.after(before.terms.cooldown_seconds);", "let cooled = end;"),
    ("cool-down: none after an end that nobody tells", PLAN,
     "let available_at = expires_at.after(after.terms.cooldown_seconds);", "let available_at = expires_at;"),
    ("grace: none", PLAN, "self.now.after(before.terms.grace_seconds)", "self.now"),
    ("grace: outlasts the order's end", PLAN, ".min(before.expires_at);", ";"),
    ("grace: for cancelled orders too", PLAN,
     "State::Closed(Closed::Completed) => self.now", "State::Closed(_) => self.now"),
    ("expired: its numbers are released again", PLAN, "if self.now < before.expires_at {", "if self.now <= before.expires_at.after(u64::MAX) {"),
    ("extension: the numbers' end is not moved", PLAN, "} else if moved {", "} else if false {"),
    ("extension: the routes' end is not moved", PLAN, "let unchanged = !moved && before", "let unchanged = before"),
    # What a plan ends, and what it learns.
    ("amend: who is replaced keeps the route", PLAN,
     "if !stays && !self.learnt.routes_gone.contains(&key) {", "if false && !stays && !self.learnt.routes_gone.contains(&key) {"),
    ("release: numbers are not given back", PLAN,
     "if !holds(after, number) && !self.learnt", "if false && !holds(after, number) && !self.learnt"),
    ("end: the phone stays in the route", PLAN, "strip: end <= self.now,", "strip: false,"),
    ("own numbers are candidates", PLAN,
     "held.map(|held| held.number.clone()).collect()", "held.map(|held| held.number.clone()).take(0).collect()"),
    ("lost ends are not learnt", PLAN,
     "self.routes_gone.insert((number.clone(), caller.clone()));", "let _ = (number, caller);"),
    ("dry: nothing is ended alone", PLAN, "(!same_row).then_some(plan)", "(!same_row && false).then_some(plan)"),
    ("dry: the old version stays", PLAN, "waiting: true,\n        };", "waiting: false,\n        };"),
    # The loop.
    ("loop: a conflict is not tried again", APPLY,
     "Ok(Commit::Busy) => pause(attempt).await,", "Ok(Commit::Busy) => return Err(NotApplied::Contended),"),
    ("loop: the row is not read after a lost answer", APPLY,
     "(row, learnt) = (orders.order(step.order_id).await?, Learnt::default());", "learnt = Learnt::default();"),
    ("loop: a dry pool is believed before the row is read", APPLY,
     "Planned::Dry(_) if matches!(row, Row::Unread) => {", "Planned::Dry(_) if matches!(row, Row::Unread) && false => {"),
    ("loop: what was not claimed is not put back", APPLY,
     "candidates.put_back(wish.pool, numbers.collect()).await;", "let _ = numbers.count();"),
    ("loop: announced before it is written", APPLY,
     "match orders.commit(&plan, now).await {", "if let Applied::Says(_) = &applied { return Ok(applied); }\n        match orders.commit(&plan, now).await {"),
    ("wait: never given up", ASSIGN, "since.saturating_add(LONGEST_WAIT_SECONDS) <= now", "false"),
    # Refill.
    ("refill: bought again instead of added", CHECK, "for (number, provider_id) in missing {", "for (number, provider_id) in missing.into_iter().take(0) {"),
    ("refill: a cut listing is taken for whole", CHECK, "if listing.is_complete() {", "if true {"),
    ("refill: cooling numbers do not count", CHECK, ".after(pool.cooldown_seconds);", ";"),
]

# Mutants that may live, and why that is harmless.
HARMLESS = {}


def copy_project():
    tracked = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True,
                             capture_output=True, text=True).stdout.split("\n")
    shutil.rmtree(COPY, ignore_errors=True)
    for name in filter(None, tracked):
        source = ROOT / name
        if source.is_file():
            destination = COPY / name
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, destination)


def run_tests():
    """Returns which tests failed first, and after how many seconds."""
    import os

    began = time.monotonic()
    for name, command in TESTS:
        environment = {**os.environ, "CARGO_TARGET_DIR": str(TARGET), "RUST_BACKTRACE": "0"}
        try:
            done = subprocess.run(command, cwd=COPY, env=environment, capture_output=True,
                                  text=True, timeout=600)
            output, failed = done.stdout + done.stderr, done.returncode != 0
        except subprocess.TimeoutExpired:
            output, failed = "", True
        if failed:
            if "could not compile" in output:
                name = "compiler"
            return name, time.monotonic() - began, output
    return None, time.monotonic() - began, ""


def main():
    words = sys.argv[1:]
    mutants = [it for it in MUTANTS if all(word in it[0] for word in words)]
    print(f"  {len(mutants)} mutants; first the code as it is, which must pass", flush=True)
    copy_project()
    caught_by, seconds, output = run_tests()
    if caught_by:
        print(output[-3000:])
        print(f"The {caught_by} fail on the code as it is: mend that first.")
        return 1

    rows, alive = [], []
    for index, (name, file, old, new) in enumerate(mutants, 1):
        path = COPY / file
        text = path.read_text()
        if text.count(old) != 1:
            print(f"{name}: what it replaces stands {text.count(old)} times in {file}: mend tests/mutants.py")
            return 2
        path.write_text(text.replace(old, new))
        caught_by, seconds, _ = run_tests()
        path.write_text(text)
        if caught_by:
            result = f"caught by the {caught_by}"
        elif name in HARMLESS:
            result = f"harmless: {HARMLESS[name]}"
        else:
            result = "LIVES"
            alive.append(name)
        rows.append((name, file, result))
        print(f"  {index:>3}/{len(mutants)} {seconds:>4.0f} s  {name}: {result}", flush=True)

    if not words:
        write_result(rows)
    print(f"{len(rows) - len(alive)} of {len(rows)} mutants were caught or are harmless.")
    for name in alive:
        print(f"  lives: {name}")
    return 1 if alive else 0


def write_result(rows):
    lines = [
        "# Mutants",
        "",
        "What `make mutants` takes out of the code, one at a time, and which tests notice first:",
        "the rules' own unit tests, the stories told through the handlers, or the simulation.",
        "Written by the last whole run.",
        "",
        "| taken out | in | result |",
        "| --- | --- | --- |",
        *[f"| {name} | `{file}` | {result} |" for name, file, result in rows],
        "",
    ]
    RESULT.write_text("\n".join(lines))


if __name__ == "__main__":
    sys.exit(main())
