//! Stories about the real handlers, with real AWS clients, on an embedded DynamoDB: a module
//! for each function, and one for each subject that concerns several.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test stops at the first surprise"
)]

mod alarms;
mod assign_numbers;
mod check_settings;
mod checks;
mod conditions;
mod costs;
mod dry_pools;
mod event_rules;
mod forward_events;
mod front_door;
mod journal;
mod money;
mod number_api;
mod parsing;
mod privacy;
mod refill_pool;
mod release_numbers;
mod report_call;
mod resolve_call;
mod shared_pools;
mod store_and_memory;

/// The tables of the template.
fn table_names() -> masking_store::TableNames {
    let [numbers, routes, orders] = support::cloud::TABLES.map(str::to_owned);
    masking_store::TableNames { orders, numbers, routes }
}

/// The people of the stories.
mod people {
    pub(crate) const CUSTOMER: &str = "+6281211112222";
    pub(crate) const AGENT: &str = "+6281333334444";
    pub(crate) const OTHER_AGENT: &str = "+6281355556666";
    pub(crate) const MERCHANT: &str = "+6281277778888";
    pub(crate) const STRANGER: &str = "+6281999990000";

    /// The two people of most orders, with their roles.
    pub(crate) const PAIR: [(&str, &str); 2] = [("customer", CUSTOMER), ("agent", AGENT)];
}
