#!/usr/bin/env python3
"""Break the code in one way after the other, and see whether the tests notice.

Each mutant takes one condition, one comparison of versions or one comparison of
times out of the product. It is caught when a test fails; one that lives is a hole
in the tests, or harmless, and then says why.

All mutants are built at once, in a copy of the project under target/mutants: each
expression that a mutant replaces becomes a choice by the environment variable
MUTANT. The tests of `make check` then run once for each mutant, until one fails.

    tests/mutants.py             all of them; writes docs/mutants.md
    tests/mutants.py claim       those with that word in their name
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from textwrap import indent

ROOT = Path(__file__).resolve().parent.parent
MUTANTS_FOLDER = ROOT / "target" / "mutants"
COPY = MUTANTS_FOLDER / "project"
RESULT = ROOT / "docs" / "mutants.md"

# The tests that take longest come last, in this order.
SLOW_TESTS = ["simulation", "integration", "schedules"]
# These take parts out of a model of their own: a minute's work for each mutant, which
# shows nothing of the conditions in the code.
LEFT_OUT = ["claims"]
# A mutant is to be caught after so many seconds, and tests end after so many at most.
SECONDS_TO_CATCH, SECONDS_TO_END = 60, 300

ORDERS = "crates/masking-store/src/orders.rs"
NUMBERS = "crates/masking-store/src/numbers.rs"
ROUTES = "crates/masking-store/src/routes.rs"
DECIDE = "crates/masking/src/order/decide.rs"
PLAN = "crates/masking/src/order/plan.rs"
ORDER = "crates/masking/src/order/row.rs"
CALL = "crates/masking/src/call.rs"
TIME = "crates/masking/src/time.rs"
SECRET = "crates/lambda-support/src/secret.rs"
APPLY = "crates/order-events/src/apply.rs"
PROVIDER = "crates/providers/src/http.rs"
ASSIGN = "functions/assign-numbers/src/handler.rs"
STOCK = "functions/assign-numbers/src/stock.rs"
ROSTER = "functions/assign-numbers/src/roster.rs"
LOW_WATER = "functions/assign-numbers/src/low_water.rs"
CIRCULATION = "functions/refill-pool/src/circulation.rs"
PURCHASES = "functions/refill-pool/src/purchases.rs"
RECONCILE = "functions/refill-pool/src/reconcile.rs"
RESOLVE = "functions/resolve-call/src/handler.rs"

# A part of a condition that always holds, or never; … is the part itself, so that
# all its names and values are still used, as DynamoDB demands.
ALWAYS = "(… OR NOT …)"
NEVER = "(… AND NOT …)"

# What each mutant is, where, what stands there, and what stands there instead of
# the part in «». First the parts of DynamoDB's expressions.
IN_EXPRESSIONS = [
    ("order row: written though it is there", ORDERS,
     'Expects::Absent => update.condition_expression("«attribute_not_exists(order_id)»")', ALWAYS),
    ("order row: written whatever its revision", ORDERS, "«#revision = :read»", ALWAYS),
    ("order row: blind write whatever its state", ORDERS, "«#state = :unassigned»", ALWAYS),
    ("order row: blind write whatever its version", ORDERS, "«#version < :version»", ALWAYS),
    ("order row: blind write whatever its pool", ORDERS, "«#pool = :pool»", ALWAYS),
    ("order row: no blind write where there is none", ORDERS,
     "«attribute_not_exists(order_id)» OR (#state", NEVER),
    ("order row: no blind write where it has no pool", ORDERS, "«attribute_not_exists(#pool)»", NEVER),
    ("order row: no blind write where it has that pool", ORDERS, "«#pool = :pool»", NEVER),
    ("claim: a number that was withdrawn", ORDERS, "«attribute_exists(pool_shard)»", ALWAYS),
    ("claim: a number that is not free", ORDERS,
     "attribute_exists(pool_shard) AND «available_at <= :now»", ALWAYS),
    ("claim: a number that is not free but the order's own", ORDERS,
     "attribute_exists(pool_shard) AND «available_at <= :now»", "(… OR order_id = :order_id)"),
    ("keep: a number of someone else", ORDERS,
     '"SET available_at = :available_at")\n                .condition_expression("«order_id = :order_id»")', ALWAYS),
    ("release: a number of someone else", ORDERS,
     'REMOVE order_id")\n                .condition_expression("«order_id = :order_id»")', ALWAYS),
    ("route on a fresh number: whosever it is", ORDERS,
     '} else {\n                    "attribute_not_exists(#number) OR «reusable_at <= :now»"', ALWAYS),
    ("route on a fresh number: be it the order's own", ORDERS,
     '} else {\n                    "attribute_not_exists(#number) OR «reusable_at <= :now»"',
     "… OR order_id = :order_id"),
    ("route on a fresh number: not a new one", ORDERS,
     '} else {\n                    "«attribute_not_exists(#number)» OR reusable_at', NEVER),
    ("route on a fresh number: not a reusable one", ORDERS,
     '} else {\n                    "attribute_not_exists(#number) OR «reusable_at <= :now»"', NEVER),
    ("route on a kept number: whosever it is", ORDERS,
     "reusable_at <= :now OR «order_id = :order_id»", ALWAYS),
    ("route on a kept number: not a new one", ORDERS,
     'if *kept {\n                    "«attribute_not_exists(#number)»', NEVER),
    ("route on a kept number: not a reusable one", ORDERS,
     "«reusable_at <= :now» OR order_id = :order_id", NEVER),
    ("route on a kept number: not the order's own", ORDERS,
     "reusable_at <= :now OR «order_id = :order_id»", NEVER),
    ("end of a route: of someone else", ORDERS,
     '"{set}{strip}"))\n                    .condition_expression("«order_id = :order_id»")', ALWAYS),
    ("add: a number that has a row", NUMBERS,
     '.condition_expression("«attribute_not_exists(#number)»")', ALWAYS),
    ("import: a number of another pool", NUMBERS,
     "attribute_not_exists(#number) OR «#pool = :pool»", ALWAYS),
    ("import: no number that is new", NUMBERS,
     "«attribute_not_exists(#number)» OR #pool = :pool", NEVER),
    ("import: no number that is known", NUMBERS,
     "attribute_not_exists(#number) OR «#pool = :pool»", NEVER),
    ("import: a known number changes its provider", NUMBERS,
     "«if_not_exists(#provider, :provider)»", ":provider"),
    ("import: a known number changes its shard", NUMBERS, "«if_not_exists(pool_shard, :shard)»", ":shard"),
    ("import: a known number is free", NUMBERS, "«if_not_exists(available_at, :now)»", ":now"),
    ("withdraw: a number of another pool", NUMBERS,
     'None => update.condition_expression("«#pool = :pool»")', ALWAYS),
    ("withdraw what was lost: a number of another pool", NUMBERS,
     "«#pool = :pool» AND #provider = :provider", ALWAYS),
    ("withdraw what was lost: a number of another provider", NUMBERS,
     "#pool = :pool AND «#provider = :provider»", ALWAYS),
]

# Then expressions of Rust.
IN_CODE = [
    # Reads and revisions.
    ("read of a route: not strongly consistent", ROUTES, ".consistent_read(«true»)", "false"),
    ("read of an order: not strongly consistent", ORDERS, ".consistent_read(«true»)", "false"),
    ("read of numbers: not strongly consistent", NUMBERS, ".consistent_read(«true»)", "false"),
    ("read of free numbers: be they free or not", NUMBERS,
     'expression_attribute_values(":now", «moment(now)»)\n            .limit(limit)',
     "moment(Timestamp::from_seconds(u64::MAX))"),
    ("order row: the revision is not raised", ORDERS,
     'expression_attribute_values(":one", number(«1»))', "0"),
    # Versions, kinds and states.
    ("version: an older event acts", DECIDE,
     "_ if version < order.version => «return Ok(Decision::Ignore(Ignored::Stale))»", "{}"),
    ("version: an equal event is taken for an older one", DECIDE,
     "_ if «version < order.version»", "version <= order.version"),
    ("version: an equal event acts", DECIDE, "_ if «version > order.version»", "version >= order.version"),
    ("version: a newer event is taken for an equal one", DECIDE, "_ if «version > order.version»", "false"),
    ("version: an older close lowers it", PLAN, "«order.version.max(self.version)»", "self.version"),
    ("version: a newer event does not raise it", PLAN, "«order.version.max(self.version)»", "order.version"),
    ("closed: an event acts", DECIDE,
     "(State::Closed(_), _) => «return Ok(Decision::Ignore(Ignored::Closed))»", "{}"),
    ("closed: a second close acts", DECIDE,
     "(State::Closed(_), Asked::Close(_)) => «return Ok(Decision::AnnounceAgain)»", "{}"),
    ("close: an older one is stale", DECIDE, "(_, Asked::Close(_)) => «{}»",
     "if version < order.version { return Ok(Decision::Ignore(Ignored::Stale)) }"),
    ("same kind: not told from another", DECIDE, "(state, _) if «asked.is_what_made(state)»", "false"),
    ("waiting: taken for a duplicate", DECIDE,
     "(State::Assigned(Holding { waiting: true, .. }), Asked::Assign(_)) => «{}»",
     "return Ok(Decision::AnnounceAgain)"),
    ("pool: another than the order's", DECIDE, "«*pool != wish.pool.id»", "false"),
    # Times of calls and orders.
    ("expiry: an expired route connects", CALL, "Some(connect_to) if «now < route.expires_at»", "true"),
    ("expiry: a route connects at its very end", CALL,
     "Some(connect_to) if «now < route.expires_at»", "now <= route.expires_at"),
    ("expiry: a route that may be reused says ended", CALL, "_ if «now < route.reusable_at»", "true"),
    ("expiry: a route says ended at the end of its cool-down", CALL,
     "_ if «now < route.reusable_at»", "now <= route.reusable_at"),
    ("expiry: a route that ended says no_route", CALL, "_ if «now < route.reusable_at»", "false"),
    ("expiry: an expired order holds numbers", ORDER,
     "State::Assigned(holding) if «now < holding.expires_at» => Some(holding)", "true"),
    ("expiry: an order holds numbers at its very end", ORDER,
     "State::Assigned(holding) if «now < holding.expires_at» => Some(holding)", "now <= holding.expires_at"),
    ("expiry: an expired order is announced as assigned", ORDER,
     "State::Assigned(holding) if «now < holding.expires_at» => {", "true"),
    ("expiry: an order is announced as assigned at its very end", ORDER,
     "State::Assigned(holding) if «now < holding.expires_at» => {", "now <= holding.expires_at"),
    ("expiry: an order is forgotten as if it had ended now", ORDER,
     "«holding.expires_at.max(now)»", "now"),
    ("expiry: a late change of an order is forgotten early", ORDER,
     "«holding.expires_at.max(now)»", "holding.expires_at"),
    ("expiry: an assignment that is over is served", DECIDE, "if «expires_at <= now» {", "false"),
    ("expiry: an assignment that is over now is served", DECIDE,
     "if «expires_at <= now» {", "expires_at < now"),
    ("expiry: later than the pool allows", DECIDE, "«expires_at.min(latest)»", "expires_at"),
    ("expiry: an expired order keeps its terms", DECIDE, "«order.holding(now)»",
     "match &order.state { State::Assigned(it) => Some(it), _ => None }"),
    ("expiry: an expired order keeps its numbers", PLAN,
     "let before = «self.row.order()?.holding(self.now)?»;\n        before.participants", "self.before()?"),
    ("expiry: an expired order is amended while the pool is dry", PLAN,
     "let before = «self.row.order()?.holding(self.now)?»;\n        let participants", "self.before()?"),
    ("expiry: what expired by itself is released", PLAN,
     "Exclusive && «self.now < before.expires_at» {", "true"),
    ("expiry: what expires now is released", PLAN,
     "Exclusive && «self.now < before.expires_at» {", "self.now <= before.expires_at"),
    ("time: later than can be written", TIME, "Self(«seconds.min(LAST)»)", "seconds"),
    # Cool-down and grace.
    ("cool-down: none after a release", PLAN, "let cooled = «end.after(before.terms.cooldown_seconds)»", "end"),
    ("cool-down: none after an end that nobody tells", PLAN,
     "let available_at = «expires_at.after(after.terms.cooldown_seconds)»", "expires_at"),
    ("grace: none", PLAN, "«self.now.after(before.terms.grace_seconds)»", "self.now"),
    ("grace: outlasts the order's end", PLAN,
     ".min(«before.expires_at»);", "Timestamp::from_seconds(u64::MAX)"),
    ("grace: for cancelled orders too", PLAN, "_ => «self.now»,\n        }\n        .min",
     "if matches!(state, State::Closed(_)) { self.now.after(before.terms.grace_seconds) } else { self.now }"),
    # What a plan ends and begins, and what it learns.
    ("end: the phone stays in the route", PLAN, "strip: «end <= self.now»", "false"),
    ("end: the phone stays in a route that ends now", PLAN, "strip: «end <= self.now»", "end < self.now"),
    ("end: the phone goes before the grace is over", PLAN, "strip: «end <= self.now»", "true"),
    ("end: a route does not end", PLAN,
     "if «!stays && !self.learnt.routes_gone.contains(&key)» {", "false"),
    ("end: a route that stays ends", PLAN, "if «!stays && !self.learnt.routes_gone.contains(&key)» {",
     "!self.learnt.routes_gone.contains(&key)"),
    ("end: a route that is gone is ended again", PLAN,
     "if «!stays && !self.learnt.routes_gone.contains(&key)» {", "!stays"),
    ("release: numbers are not given back", PLAN,
     "if «!holds(after, number) && !self.learnt.numbers_gone.contains(number)» {", "false"),
    ("release: numbers that stay are given back", PLAN,
     "if «!holds(after, number) && !self.learnt.numbers_gone.contains(number)» {",
     "!self.learnt.numbers_gone.contains(number)"),
    ("release: numbers that are gone are given back", PLAN,
     "if «!holds(after, number) && !self.learnt.numbers_gone.contains(number)» {", "!holds(after, number)"),
    ("begin: a new end is taken for the old one", PLAN, "«before.expires_at != expires_at»", "false"),
    ("begin: what does not change is written", PLAN, "«before.expires_at != expires_at»", "true"),
    ("begin: the numbers' end is not moved", PLAN, "} else if «moved» {", "false"),
    ("begin: the routes' end is not moved", PLAN, "let unchanged = «!moved» &&", "true"),
    ("begin: a route on a fresh number counts as kept", PLAN,
     "kept: «holds(before, route.number)»", "true"),
    ("begin: a route on a kept number counts as fresh", PLAN,
     "kept: «holds(before, route.number)»", "false"),
    ("begin: the order's numbers are candidates", PLAN,
     "let is_own = «holds(self.change.before(), number)»", "false"),
    ("begin: one number for two people", PLAN, "&& «!picked.contains(number)»", "true"),
    # Shared pools.
    ("shared: an order claims its numbers", PLAN,
     "if «after.terms.allocation == Allocation::Exclusive» {", "true"),
    ("exclusive: an order claims no numbers", PLAN,
     "if «after.terms.allocation == Allocation::Exclusive» {", "false"),
    ("shared: an order releases its numbers", PLAN,
     "if «before.terms.allocation == Allocation::Exclusive» &&", "true"),
    ("exclusive: an order releases no numbers", PLAN,
     "if «before.terms.allocation == Allocation::Exclusive» &&", "false"),
    ("shared: where a route was lost is tried again", PLAN,
     "«others.all(|it| !taken.contains(&(number.clone(), it.caller.clone())))»", "true"),
    ("shared: a number is given up whose route was lost", PLAN,
     "«others.all(|it| !taken.contains(&(number.clone(), it.caller.clone())))»",
     "others.next().is_some() && !taken.iter().any(|(it, _)| it == number)"),
    ("learnt: not which routes are taken", PLAN,
     "«self.routes_taken.insert((number.clone(), caller.clone()))»", "true"),
    ("shared: as many claims are lost as there are tries", APPLY,
     "Allocation::Shared if «MOST_LOST <= lost»", "false"),
    ("shared: a claim that is lost again and again signals nothing", STOCK, "if «MANY_LOST <= lost»", "false"),
    ("shared: a claim that succeeds signals", STOCK, "if «MANY_LOST <= lost»", "true"),
    ("shared: a small pool signals nothing", STOCK, "«pool.min_free.max(1)»", "0"),
    ("shared: a large pool signals", STOCK, "«pool.min_free.max(1)»", "u64::MAX"),
    ("shared: the list of numbers is kept for good", ROSTER,
     "«now < roster.read_at.after(kept_seconds)»", "true"),
    ("shared: the list of numbers is never kept", ROSTER,
     "«now < roster.read_at.after(kept_seconds)»", "false"),
    ("shared: the list of numbers is kept to its very end", ROSTER,
     "«now < roster.read_at.after(kept_seconds)»", "now <= roster.read_at.after(kept_seconds)"),
    ("shared: a list in vain is kept as long as another", ROSTER,
     "now, «KEPT_IN_VAIN_SECONDS»)", "KEPT_SECONDS"),
    ("shared: numbers that are held do not count", CIRCULATION,
     "Allocation::Shared => «count(self.0.values())»",
     "count(self.0.values().filter(|free_at| **free_at <= by))"),
    ("learnt: not which routes are gone", PLAN,
     "«self.routes_gone.insert((number.clone(), caller.clone()))»", "true"),
    ("learnt: not which numbers are gone", PLAN, "«self.numbers_gone.insert(number.clone())»", "true"),
    ("learnt: not which numbers to exchange", PLAN,
     "«self.numbers_to_exchange.insert(number.clone())»", "true"),
    # A dry pool.
    ("dry: nothing is ended alone", PLAN, "(«!same_row»).then_some(plan)", "false"),
    ("dry: the row is written each time", PLAN, "(«!same_row»).then_some(plan)", "true"),
    ("dry: a later version is not remembered", PLAN,
     "«order.state == plan.order.state && order.version == plan.order.version»",
     "order.state == plan.order.state"),
    ("dry: a change of the same version is not written", PLAN,
     "«order.state == plan.order.state && order.version == plan.order.version»",
     "order.version == plan.order.version"),
    ("dry: the order is not marked as waiting", PLAN,
     "before.expires_at.min(expires_at),\n            waiting: «true»", "false"),
    ("dry: an earlier end waits", PLAN, "«before.expires_at.min(expires_at)»", "before.expires_at"),
    ("dry: a later end does not wait", PLAN, "«before.expires_at.min(expires_at)»", "expires_at"),
    ("dry: who is replaced stays", PLAN, "«*caller == person.caller»", "true"),
    ("dry: never given up", ASSIGN, "«since.saturating_add(LONGEST_WAIT_SECONDS) <= now»", "false"),
    ("dry: given up a second late", ASSIGN,
     "«since.saturating_add(LONGEST_WAIT_SECONDS) <= now»", "since.saturating_add(LONGEST_WAIT_SECONDS) < now"),
    # The loop.
    ("loop: a conflict is not tried again", APPLY,
     "Ok(Commit::Busy) => «pause(attempt).await»", "return Err(NotApplied::Contended)"),
    ("loop: the row is not read after a lost answer", APPLY,
     "pause(attempt).await;\n                «(row, learnt) = (orders.order(step.order_id).await?, Learnt::default())»",
     "learnt = Learnt::default()"),
    ("loop: a lost answer is taken for success", APPLY, "«failed_once = true»", "return Ok(applied)"),
    ("loop: a lost answer is taken for failure", APPLY, "Err(error) if «failed_once»", "true"),
    ("loop: nothing is written", APPLY, "match «orders.commit(&plan, now).await» {", "Ok(Commit::Done)"),
    ("loop: a dry pool is believed before the row is read", APPLY,
     "Planned::Dry(_) if «matches!(row, Row::Unread)»", "false"),
    ("loop: what was not claimed is not put back", APPLY,
     "«candidates.put_back(wish.pool, numbers.collect()).await»", "drop(numbers)"),
    ("loop: more of a page of which some is taken", APPLY, "«candidates.forget(wish.pool).await»", "()"),
    ("loop: nothing is learnt from what was lost", APPLY, "«learnt.lost(lost)»", "drop(lost)"),
    # Other times.
    ("signal: as often as a pool is seen to run low", LOW_WATER, "«at.elapsed() < PAUSE»", "false"),
    ("signal: once only", LOW_WATER, "«at.elapsed() < PAUSE»", "true"),
    ("secret: kept for good", SECRET, "«age <= read_at.elapsed()»", "false"),
    ("secret: never kept", SECRET, "«age <= read_at.elapsed()»", "true"),
    ("secret: while there is none, tried as seldom as when there is", SECRET,
     "«age.min(PAUSE_WITHOUT_VALUE)»", "age"),
    ("call: as long as the table takes", RESOLVE, "timeout(«BUDGET», read)", "Duration::MAX"),
    ("check: numbers that are not free are counted as free", CIRCULATION,
     "Exclusive => count(self.0.values().filter(|free_at| «**free_at <= by»))", "true"),
    ("check: numbers that cool down do not count", PURCHASES,
     "«now.after(pool.cooldown_seconds)»", "now"),
    ("check: bought with no time left", PURCHASES,
     "«time_left < TIME_TO_BUY»", "false"),
    ("check: a provider is waited for longer than there is time", PROVIDER,
     "«left(deadline) <= wait»", "false"),
    ("check: a listing that was cut short is taken for whole", RECONCILE,
     "if «listing.is_complete()» && row.provider", "true"),
    ("check: what the account has is not added", RECONCILE,
     "«!stored.contains(&owned.number)»", "false"),
]

# Mutants that may live, and why that is harmless.
HARMLESS = {
    "read of numbers: not strongly consistent":
        "Only a check of a pool reads them so.\n"
        "What it adds and withdraws is decided by the conditions of those writes.\n"
        "What it counts is off by the numbers that came back or were withdrawn in the last second, "
        "and right at the next check; at worst a number is bought one check early, within `max_numbers`.",
}


class Mutant:
    """One way in which the code is broken: text of a file from start to end is replaced."""

    def __init__(self, number, name, file, there, instead, in_expression):
        self.number, self.name, self.file = str(number), name, file
        before, part, after = re.split("[«»]", there)
        text = (ROOT / file).read_text()
        found = text.count(before + part + after)
        if found != 1:
            sys.exit(f"{name}: what it replaces stands {found} times in {file}: mend tests/mutants.py")
        self.start = text.index(before + part + after) + len(before)
        self.end = self.start + len(part)
        self.part = (self.start, self.end)
        self.instead = instead.replace("…", part)
        if in_expression:
            # What is chosen at run time is the whole literal.
            start, end = text.rindex('"', 0, self.start), text.index('"', self.end) + 1
            self.instead = text[start:self.start] + self.instead + text[self.end:end]
            self.start, self.end = start, end


def read_mutants():
    lists = [(it, True) for it in IN_EXPRESSIONS] + [(it, False) for it in IN_CODE]
    return [Mutant(number, *it, in_expression) for number, (it, in_expression) in enumerate(lists, 1)]


# The parts of a condition, and comparisons of versions and times.
CONDITION = re.compile(r"attribute_(?:not_)?exists\([#\w]+\)|[#\w]+ <?=? :\w+")
COMPARISON = re.compile(r" (?:<|<=|>|>=|==|!=) |\.(?:min|max)\(")
VERSION_OR_TIME = re.compile(r"\b(?:version|now|soon|end|elapsed|deadline|latest|\w+_at)\b")


def product_files():
    """All but the tables in memory, which no function uses."""
    files = [*ROOT.glob("crates/*/src/**/*.rs"), *ROOT.glob("functions/*/src/*.rs")]
    return [it for it in files if "masking-memory" not in it.parts]


def not_taken_out(mutants):
    """Finds the conditions and comparisons that no mutant takes out."""
    for path in sorted(product_files()):
        file = str(path.relative_to(ROOT))
        text = path.read_text().split("#[cfg(test)]")[0]
        parts = [it.part for it in mutants if it.file == file]
        if "masking-store" in file:
            literals = [it for it in re.finditer(r'"[^"]*"', text) if not it[0].startswith('"SET')
                        and not text[:it.start()].endswith("key_condition_expression(")]
            found = [it for literal in literals for it in CONDITION.finditer(text, *literal.span())]
        else:
            found = [it for it in re.finditer(".+", text)
                     if COMPARISON.search(it[0]) and VERSION_OR_TIME.search(it[0])]
        for it in found:
            if not any(start < it.end() and it.start() < end for start, end in parts):
                yield f"{file}: {it[0].strip()}"


def copy_project(mutants):
    """Copies the project, with a choice wherever a mutant replaces something."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True,
                            capture_output=True, text=True).stdout.splitlines()
    shutil.rmtree(COPY, ignore_errors=True)
    for name in listed:
        if (ROOT / name).is_file():
            (COPY / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, COPY / name)

    for file in {it.file for it in mutants}:
        text = (ROOT / file).read_text()
        spans = sorted({(it.start, it.end) for it in mutants if it.file == file}, reverse=True)
        for start, end in spans:
            arms = [f'Ok("{it.number}") => {it.instead},' for it in mutants
                    if (it.file, it.start, it.end) == (file, start, end)]
            choice = f'{{ match std::env::var("MUTANT").as_deref() {{ {" ".join(arms)} _ => {text[start:end]} }} }}'
            text = text[:start] + choice + text[end:]
        (COPY / file).write_text(text)


def build_tests():
    """Builds the tests, and returns the name, folder and file of each program, the quick ones first."""
    # What the checkout has built of other crates need not be built again.
    for part in ["deps", "build", ".fingerprint"]:
        source, destination = ROOT / "target" / "debug" / part, MUTANTS_FOLDER / "debug" / part
        if source.exists() and not destination.exists():
            shutil.copytree(source, destination)
    command = ["cargo", "test", "--workspace", "--locked", "--no-run", "--message-format", "json"]
    environment = {**os.environ, "CARGO_TARGET_DIR": str(MUTANTS_FOLDER)}
    built = subprocess.run(command, cwd=COPY, env=environment, stdout=subprocess.PIPE, text=True)
    messages = [json.loads(line) for line in built.stdout.splitlines()]
    if built.returncode != 0:
        errors = [it["message"]["rendered"] for it in messages if it["reason"] == "compiler-message"]
        sys.exit("\n".join(it for it in errors if it.startswith("error")))
    programs = [(it["target"]["name"], Path(it["manifest_path"]).parent, it["executable"])
                for it in messages if it.get("executable") and it["profile"]["test"]
                and it["target"]["name"] not in LEFT_OUT]
    return sorted(programs, key=lambda it: SLOW_TESTS.index(it[0]) if it[0] in SLOW_TESTS else -1)


FAILED = re.compile(r"test (\S+) .*\.\.\. FAILED")


def first_failure(programs, mutant):
    """Runs the tests on a mutant until one fails, and returns its name."""
    environment = {**os.environ, "MUTANT": mutant, "RUST_BACKTRACE": "0"}
    for name, folder, program in programs:
        process = subprocess.Popen([program], cwd=folder, env=environment, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        limit = threading.Timer(SECONDS_TO_END, process.kill)
        limit.start()
        try:
            for line in process.stdout:
                if failed := FAILED.match(line):
                    process.kill()
                    return f"{name}: {failed[1]}"
            if process.wait() != 0:
                return f"{name}: (ended with {process.returncode})"
        finally:
            limit.cancel()
            process.kill()
            process.wait()
    return None


class Result:
    """What became of a mutant: the test that caught it, if one did, and after how long."""

    def __init__(self, mutant, caught_by, seconds):
        self.mutant, self.caught_by, self.seconds = mutant, caught_by, seconds
        self.harmless = not caught_by and mutant.name in HARMLESS

    def is_wrong(self):
        return not self.harmless and (not self.caught_by or SECONDS_TO_CATCH < self.seconds)

    def verdict(self):
        return self.caught_by or ("harmless" if self.harmless else "LIVES")


def main():
    # So that the tests under way end with this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    words = sys.argv[1:]
    mutants = read_mutants()
    if missing := list(not_taken_out(mutants)):
        print("No mutant takes these out:", *missing, sep="\n  ")
        return 2
    copy_project(mutants)
    print(f"  building {len(mutants)} mutants", flush=True)
    programs = build_tests()
    began = time.monotonic()
    if failed := first_failure(programs, "none"):
        print(f"{failed} fails on the code as it is: mend that first.")
        return 1
    print(f"  the code as it is passes all tests, in {time.monotonic() - began:.0f} s", flush=True)

    results = []
    for mutant in mutants:
        if all(word in mutant.name for word in words):
            began = time.monotonic()
            caught_by = first_failure(programs, mutant.number)
            results.append(Result(mutant, caught_by, time.monotonic() - began))
            print(f"  {results[-1].seconds:>4.0f} s  {mutant.name}: {results[-1].verdict()}", flush=True)

    if not words:
        write_page(results)
    wrong = [it for it in results if it.is_wrong()]
    print(f"{len(results) - len(wrong)} of {len(results)} mutants were caught within a minute or are harmless.")
    for it in wrong:
        print(f"  {it.mutant.name}: {it.verdict()}")
    return 1 if wrong else 0


def write_page(results):
    caught = [it for it in results if it.caught_by]
    harmless = [it for it in results if it.harmless]
    lives = len(results) - len(caught) - len(harmless)
    rows = []
    for it in results:
        program, _, test = (it.caught_by or "").partition(": ")
        found = f"{program} `{test}` | {it.seconds:.1f}" if it.caught_by else f"{it.verdict()} |"
        rows.append(f"| {it.mutant.name} | `{Path(it.mutant.file).name}` | {found} |")
    reasons = [f"- {it.mutant.name}:\n" + indent(HARMLESS[it.mutant.name], "  ") for it in harmless]
    RESULT.write_text(f"""# Mutants

`make mutants` takes each condition of a write, each comparison of versions and each comparison of times out of the code, one at a time, and runs the tests of `make check` until one fails.
The tests of the model are left out: they take parts out of a model of their own.
It wrote this page.
[The list](../tests/mutants.py) says what stands in the place of each, and `make mutants` fails if a condition or comparison is missing in it.

Of {len(results)} mutants {len(caught)} were caught, {len(harmless)} may live, and {lives} live and should not.
The longest that a test took to catch one was {max(it.seconds for it in caught):.0f} seconds, of {SECONDS_TO_CATCH} that it may take; they are seconds of the tests alone, since all mutants are built at once.

| taken out | in | caught by | seconds |
| --- | --- | --- | ---: |
{chr(10).join(rows)}

## Why some may live

{chr(10).join(reasons)}
""")


if __name__ == "__main__":
    sys.exit(main())
