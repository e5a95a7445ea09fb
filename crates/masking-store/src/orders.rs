//! Writes the steps of an order: each is one transaction on its row, its numbers and its
//! routes.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{
    CancellationReason, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use lambda_support::AwsError;
use masking::{Commit, KnownRow, Number, OrderId, PhoneHash, Plan, Timestamp, Write};

use crate::StoreError;
use crate::condition::{Key, conditioned};
use crate::item::{moment, number, order_attributes, read_order, string};

const TRANSACTION: &str = "TransactWriteItems";
/// The TTL of a route's row is this long after the moment from which another order may claim
/// it. No answer needs the row by then; the day is a margin.
const ROUTE_KEPT_SECONDS: u64 = 24 * 3600;

/// The access patterns of an order: reading its row, and writing a step to all three tables.
#[derive(Clone, Debug)]
pub struct Orders {
    client: Client,
    tables: TableNames,
}

/// The names of the three tables.
#[derive(Clone, Debug)]
pub struct TableNames {
    /// The name of the orders table.
    pub orders: String,
    /// The name of the numbers table.
    pub numbers: String,
    /// The name of the routes table.
    pub routes: String,
}

impl Orders {
    /// Uses the tables of these names.
    pub fn new(client: Client, tables: TableNames) -> Self {
        Self { client, tables }
    }

    /// Reads the row of an order with a strongly consistent read. A plan that is made from a
    /// stale read would only fail the condition on the row's revision.
    ///
    /// # Errors
    ///
    /// DynamoDB refused the read or did not answer, or the row is malformed.
    pub async fn order(&self, order_id: &OrderId) -> Result<KnownRow, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.tables.orders)
            .key("order_id", string(order_id.as_str()))
            .consistent_read(true)
            .send()
            .await
            .map_err(AwsError::of("GetItem on Orders"))?;
        answer.item.map_or(Ok(KnownRow::Absent), |item| read_order(item).map(KnownRow::Present))
    }

    /// Opens the connection before it is needed: see [`Routes::warm_up`].
    ///
    /// [`Routes::warm_up`]: crate::Routes::warm_up
    pub async fn warm_up(&self) {
        let request = self.client.get_item().table_name(&self.tables.orders);
        let _ = request.key("order_id", string("-")).send().await;
    }

    /// Writes a plan in one transaction: whole, or nothing of it. `now` is the moment at which
    /// the plan was made.
    ///
    /// # Errors
    ///
    /// DynamoDB refused the transaction for another reason than its conditions, or did not
    /// answer. The plan may be written or not: read the order's row to find out.
    pub async fn commit(&self, plan: &Plan, now: Timestamp) -> Result<Commit, StoreError> {
        let order_id = &plan.order.order_id;
        let mut request =
            self.client.transact_write_items().transact_items(item(self.order_update(plan))?);
        for write in &plan.writes {
            request = request.transact_items(item(self.update(write, order_id, now))?);
        }
        match request.send().await {
            Ok(_) => Ok(Commit::Done),
            Err(error) => self.why_not(plan, error).await,
        }
    }

    async fn why_not(
        &self,
        plan: &Plan,
        error: SdkError<TransactWriteItemsError>,
    ) -> Result<Commit, StoreError> {
        use TransactWriteItemsError as Refusal;
        match error.as_service_error() {
            Some(Refusal::TransactionCanceledException(cancelled)) => {
                let reasons = cancelled.cancellation_reasons();
                match reasons.first().filter(|order| is_condition(order)).map(|it| &it.item) {
                    Some(Some(item)) => {
                        Ok(Commit::Moved(KnownRow::Present(read_order(item.clone())?)))
                    }
                    Some(None) => self.order(&plan.order.order_id).await.map(Commit::Moved),
                    None => lost_or_busy(plan, reasons),
                }
            }
            Some(
                Refusal::TransactionInProgressException(_)
                | Refusal::ProvisionedThroughputExceededException(_)
                | Refusal::RequestLimitExceeded(_)
                | Refusal::ThrottlingException(_),
            ) => Ok(Commit::Busy),
            _ => Err(AwsError::of(TRANSACTION)(error).into()),
        }
    }

    fn order_update(&self, plan: &Plan) -> UpdateBuilder {
        let order = &plan.order;
        let mut update = Update::builder()
            .table_name(&self.tables.orders)
            .key("order_id", string(order.order_id.as_str()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .expression_attribute_names("#revision", "revision")
            .expression_attribute_values(":zero", number(0))
            .expression_attribute_values(":one", number(1));
        let mut set = vec!["#revision = if_not_exists(#revision, :zero) + :one".to_owned()];
        let mut remove = Vec::new();
        for (name, value) in order_attributes(order, plan.ttl) {
            update = update.expression_attribute_names(format!("#{name}"), name);
            if let Some(value) = value {
                update = update.expression_attribute_values(format!(":{name}"), value);
                set.push(format!("#{name} = :{name}"));
            } else {
                remove.push(format!("#{name}"));
            }
        }
        let mut expression = format!("SET {}", set.join(", "));
        if !remove.is_empty() {
            expression = format!("{expression} REMOVE {}", remove.join(", "));
        }
        let update = update.update_expression(expression);
        conditioned(update, Key::OrderId, &plan.condition())
    }

    fn update(&self, write: &Write, order_id: &OrderId, now: Timestamp) -> UpdateBuilder {
        let update = match write {
            Write::ClaimNumber { number, available_at } => self
                .number_update(number, *available_at)
                .update_expression("SET available_at = :available_at, order_id = :order_id")
                .expression_attribute_values(":order_id", string(order_id.as_str())),
            Write::KeepNumber { number, available_at } => self
                .number_update(number, *available_at)
                .update_expression("SET available_at = :available_at"),
            Write::ReleaseNumber { number, available_at } => self
                .number_update(number, *available_at)
                .update_expression("SET available_at = :available_at REMOVE order_id"),
            Write::OpenRoute {
                number,
                caller,
                connect_to,
                shown_number,
                roles,
                expires_at,
                reusable_at,
                kept: _,
            } => self
                .route_update(number, caller, *expires_at, *reusable_at)
                .update_expression(
                    "SET connect_to = :connect_to, caller_id = :caller_id, order_id = :order_id, \
                     caller_role = :caller_role, callee_role = :callee_role, \
                     expires_at = :expires_at, reusable_at = :reusable_at, #ttl = :ttl",
                )
                .expression_attribute_values(":connect_to", string(connect_to.reveal()))
                .expression_attribute_values(":caller_id", string(shown_number.as_str()))
                .expression_attribute_values(":caller_role", string(roles.caller.as_str()))
                .expression_attribute_values(":callee_role", string(roles.callee.as_str()))
                .expression_attribute_values(":order_id", string(order_id.as_str())),
            Write::EndRoute { number, caller, expires_at, reusable_at, strip } => {
                let set = "SET expires_at = :expires_at, reusable_at = :reusable_at, #ttl = :ttl";
                let strip = if *strip { " REMOVE connect_to" } else { "" };
                self.route_update(number, caller, *expires_at, *reusable_at)
                    .update_expression(format!("{set}{strip}"))
            }
        };
        conditioned(update, Key::Number, &write.condition(order_id, now))
    }

    fn number_update(&self, number: &Number, available_at: Timestamp) -> UpdateBuilder {
        Update::builder()
            .table_name(&self.tables.numbers)
            .key("number", string(number.as_str()))
            .expression_attribute_values(":available_at", moment(available_at))
    }

    fn route_update(
        &self,
        number: &Number,
        caller: &PhoneHash,
        expires_at: Timestamp,
        reusable_at: Timestamp,
    ) -> UpdateBuilder {
        Update::builder()
            .table_name(&self.tables.routes)
            .key("number", string(number.as_str()))
            .key("caller", string(caller.as_str()))
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":ttl", moment(reusable_at.after(ROUTE_KEPT_SECONDS)))
            .expression_attribute_values(":expires_at", moment(expires_at))
            .expression_attribute_values(":reusable_at", moment(reusable_at))
    }
}

fn item(update: UpdateBuilder) -> Result<TransactWriteItem, StoreError> {
    let update = update.build().map_err(AwsError::not_sent(TRANSACTION))?;
    Ok(TransactWriteItem::builder().update(update).build())
}

/// Finds out why a transaction was cancelled, if the condition on the order's row held. The
/// reasons have the order of the items: first the order's row, then the writes.
/// Source: DynamoDB API reference, `TransactWriteItems`.
fn lost_or_busy(plan: &Plan, reasons: &[CancellationReason]) -> Result<Commit, StoreError> {
    if let Some(code) = reasons.iter().find_map(unplanned) {
        let code = code.to_owned();
        return Err(AwsError::Refused { operation: TRANSACTION, code }.into());
    }
    let writes = reasons.iter().skip(1).zip(&plan.writes);
    let lost: Vec<Write> =
        writes.filter(|(reason, _)| is_condition(reason)).map(|(_, write)| write.clone()).collect();
    Ok(if lost.is_empty() { Commit::Busy } else { Commit::Lost(lost) })
}

fn is_condition(reason: &CancellationReason) -> bool {
    reason.code() == Some("ConditionalCheckFailed")
}

/// Returns the code of a reason that another try will not remove.
fn unplanned(reason: &CancellationReason) -> Option<&str> {
    reason.code().filter(|code| {
        !matches!(
            *code,
            "None"
                | "ConditionalCheckFailed"
                | "TransactionConflict"
                | "ThrottlingError"
                | "ProvisionedThroughputExceeded"
        )
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::config::http::HttpResponse;
    use aws_sdk_dynamodb::types;
    use masking::{ExpectedRow, Order, State, Unassigned};

    use super::*;

    /// A plan of two writes.
    fn plan() -> Plan {
        let at = Timestamp::from_seconds;
        let keep = |number: &str| Write::KeepNumber {
            number: number.parse().unwrap(),
            available_at: at(1),
        };
        let order = Order {
            order_id: OrderId::parse("o-1").unwrap(),
            version: 1,
            revision: 1,
            pool: None,
            state: State::Unassigned(Unassigned::ByEvent),
        };
        let writes = vec![keep("+622150001"), keep("+622150002")];
        Plan { expects: ExpectedRow::Absent, order, ttl: at(1), writes }
    }

    /// The result of these reasons: first of the order's row, then of the two writes.
    fn outcome(codes: [&str; 3]) -> Result<Commit, String> {
        let reasons = codes.map(|code| CancellationReason::builder().code(code).build());
        lost_or_busy(&plan(), &reasons).map_err(|error| error.to_string())
    }

    #[test]
    fn writes_whose_conditions_failed_are_lost() {
        let failed = "ConditionalCheckFailed";
        let [first, second] = plan().writes.try_into().unwrap();
        assert_eq!(outcome(["None", failed, "None"]), Ok(Commit::Lost(vec![first.clone()])));
        assert_eq!(outcome(["None", "None", failed]), Ok(Commit::Lost(vec![second.clone()])));
        assert_eq!(outcome(["None", failed, failed]), Ok(Commit::Lost(vec![first, second])));
        let conflict = outcome(["TransactionConflict", failed, "TransactionConflict"]);
        assert!(matches!(conflict, Ok(Commit::Lost(lost)) if lost.len() == 1));
    }

    #[test]
    fn a_conflict_or_a_throttled_table_is_busy() {
        for code in ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"] {
            assert_eq!(outcome([code, "None", "None"]), Ok(Commit::Busy));
            assert_eq!(outcome(["None", "None", code]), Ok(Commit::Busy));
        }
    }

    #[test]
    fn a_permanent_refusal_is_an_error_with_its_code() {
        let refused = Err("TransactWriteItems failed: ValidationError".to_owned());
        assert_eq!(outcome(["ValidationError", "None", "None"]), refused);
        assert_eq!(outcome(["None", "ConditionalCheckFailed", "ValidationError"]), refused);
    }

    #[tokio::test]
    async fn a_transaction_that_was_turned_away_for_now_is_busy_and_any_other_an_error() {
        use TransactWriteItemsError as Refusal;
        let version = aws_sdk_dynamodb::config::BehaviorVersion::v2026_01_12();
        let config = aws_sdk_dynamodb::Config::builder().behavior_version(version).build();
        let [orders, numbers, routes] = ["o", "n", "r"].map(str::to_owned);
        let tables = TableNames { orders, numbers, routes };
        let orders = Orders::new(Client::from_conf(config), tables);
        let why_not = async |refusal| {
            let status = 400.try_into().expect("a status");
            let response = HttpResponse::new(status, "".into());
            orders.why_not(&plan(), SdkError::service_error(refusal, response)).await.ok()
        };
        for passing in [
            Refusal::TransactionInProgressException(
                types::error::TransactionInProgressException::builder().build(),
            ),
            Refusal::ProvisionedThroughputExceededException(
                types::error::ProvisionedThroughputExceededException::builder().build(),
            ),
            Refusal::RequestLimitExceeded(types::error::RequestLimitExceeded::builder().build()),
            Refusal::ThrottlingException(types::error::ThrottlingException::builder().build()),
        ] {
            assert_eq!(why_not(passing).await, Some(Commit::Busy));
        }
        assert_eq!(
            why_not(Refusal::ResourceNotFoundException(
                types::error::ResourceNotFoundException::builder().build(),
            ))
            .await,
            None
        );
    }
}
