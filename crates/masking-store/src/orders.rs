//! The step of an order: its row, its numbers and its routes in one transaction.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{
    CancellationReason, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use masking::{Caller, Expects, Number, OrderId, Plan, Row, Timestamp, Write};

use crate::StoreError;
use crate::item::{moment, number, order_attributes, read_order, state, string};

/// Routes are swept a day after another order may have them.
const ROUTE_KEPT_SECONDS: u64 = 24 * 3600;

/// The three tables, as a step of an order writes them.
#[derive(Clone, Debug)]
pub struct Orders {
    client: Client,
    tables: TableNames,
}

/// What the three tables are called.
#[derive(Clone, Debug)]
pub struct TableNames {
    /// The orders table.
    pub orders: String,
    /// The numbers table.
    pub numbers: String,
    /// The routes table.
    pub routes: String,
}

/// How writing a plan ended.
#[derive(Debug)]
pub enum Commit<'a> {
    /// Everything is written.
    Done,
    /// Nothing is: the order's row is another than the plan was made from.
    Moved(Row),
    /// Nothing is: the conditions of these writes do not hold.
    Lost(Vec<&'a Write>),
    /// Nothing is: another transaction is at the same rows, or the table is busy.
    Busy,
}

impl Orders {
    /// The tables of these names.
    pub fn new(client: Client, tables: TableNames) -> Self {
        Self { client, tables }
    }

    /// Reads the row of an order. Strongly consistent: what is decided from an
    /// older row is refused by its revision, and would be tried in vain.
    pub async fn order(&self, order_id: &OrderId) -> Result<Row, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.tables.orders)
            .key("order_id", string(order_id.as_str()))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::of("GetItem on Orders"))?;
        answer.item.map_or(Ok(Row::Absent), |item| read_order(item).map(Row::Present))
    }

    /// Makes the first request, which opens the connection: see [`Routes::warm_up`].
    ///
    /// [`Routes::warm_up`]: crate::Routes::warm_up
    pub async fn warm_up(&self) {
        let request = self.client.get_item().table_name(&self.tables.orders);
        let _ = request.key("order_id", string("-")).send().await;
    }

    /// Writes a plan whole, or nothing of it. After an error it may have been
    /// written or not: the order's row tells.
    pub async fn commit<'a>(
        &self,
        plan: &'a Plan,
        now: Timestamp,
    ) -> Result<Commit<'a>, StoreError> {
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

    async fn why_not<'a>(
        &self,
        plan: &'a Plan,
        error: SdkError<TransactWriteItemsError>,
    ) -> Result<Commit<'a>, StoreError> {
        use TransactWriteItemsError as Refusal;
        match error.as_service_error() {
            Some(Refusal::TransactionCanceledException(cancelled)) => {
                // Reasons come in the order of the items: the order's row, then the writes.
                let Some((order, writes)) = cancelled.cancellation_reasons().split_first() else {
                    return Ok(Commit::Busy);
                };
                if is_condition(order) {
                    return match &order.item {
                        Some(item) => Ok(Commit::Moved(Row::Present(read_order(item.clone())?))),
                        None => self.order(&plan.order.order_id).await.map(Commit::Moved),
                    };
                }
                let lost: Vec<&Write> = writes
                    .iter()
                    .zip(&plan.writes)
                    .filter(|(reason, _)| is_condition(reason))
                    .map(|(_, write)| write)
                    .collect();
                let unknown = std::iter::once(order).chain(writes).find_map(unplanned);
                match unknown {
                    Some(code) => Err(StoreError::Refused {
                        operation: "TransactWriteItems",
                        code: code.to_owned(),
                    }),
                    None if lost.is_empty() => Ok(Commit::Busy),
                    None => Ok(Commit::Lost(lost)),
                }
            }
            Some(
                Refusal::TransactionInProgressException(_)
                | Refusal::ProvisionedThroughputExceededException(_)
                | Refusal::RequestLimitExceeded(_)
                | Refusal::ThrottlingException(_),
            ) => Ok(Commit::Busy),
            _ => Err(StoreError::of("TransactWriteItems")(error)),
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
        match plan.expects {
            Expects::Absent => update.condition_expression("attribute_not_exists(order_id)"),
            Expects::Revision(revision) => update
                .condition_expression("#revision = :read")
                .expression_attribute_values(":read", number(revision)),
            Expects::Free => update
                .condition_expression(
                    "attribute_not_exists(order_id) OR (#state = :unassigned \
                     AND #version < :version \
                     AND (attribute_not_exists(#pool) OR #pool = :pool))",
                )
                .expression_attribute_values(":unassigned", string(state::UNASSIGNED)),
        }
    }

    fn update(&self, write: &Write, order_id: &OrderId, now: Timestamp) -> UpdateBuilder {
        match write {
            Write::ClaimNumber { number, available_at } => self
                .number_update(number, order_id)
                .update_expression("SET available_at = :available_at, order_id = :order_id")
                .condition_expression("attribute_exists(pool_shard) AND available_at <= :now")
                .expression_attribute_values(":available_at", moment(*available_at))
                .expression_attribute_values(":now", moment(now)),
            Write::KeepNumber { number, available_at } => self
                .number_update(number, order_id)
                .update_expression("SET available_at = :available_at")
                .condition_expression("order_id = :order_id")
                .expression_attribute_values(":available_at", moment(*available_at)),
            Write::ReleaseNumber { number, available_at } => self
                .number_update(number, order_id)
                .update_expression("SET available_at = :available_at REMOVE order_id")
                .condition_expression("order_id = :order_id")
                .expression_attribute_values(":available_at", moment(*available_at)),
            Write::OpenRoute {
                number,
                caller,
                connect_to,
                shown,
                expires_at,
                reusable_at,
                kept,
            } => self
                .route_update(number, caller, order_id, *expires_at, *reusable_at)
                .update_expression(
                    "SET connect_to = :connect_to, caller_id = :caller_id, order_id = :order_id, \
                     expires_at = :expires_at, reusable_at = :reusable_at, #ttl = :ttl",
                )
                .condition_expression(if *kept {
                    "attribute_not_exists(#number) OR reusable_at <= :now OR order_id = :order_id"
                } else {
                    "attribute_not_exists(#number) OR reusable_at <= :now"
                })
                .expression_attribute_names("#number", "number")
                .expression_attribute_values(":connect_to", string(connect_to.reveal()))
                .expression_attribute_values(":caller_id", string(shown.as_str()))
                .expression_attribute_values(":now", moment(now)),
            Write::EndRoute { number, caller, expires_at, reusable_at, strip } => {
                let set = "SET expires_at = :expires_at, reusable_at = :reusable_at, #ttl = :ttl";
                let strip = if *strip { " REMOVE connect_to" } else { "" };
                self.route_update(number, caller, order_id, *expires_at, *reusable_at)
                    .update_expression(format!("{set}{strip}"))
                    .condition_expression("order_id = :order_id")
            }
        }
    }

    fn number_update(&self, number: &Number, order_id: &OrderId) -> UpdateBuilder {
        Update::builder()
            .table_name(&self.tables.numbers)
            .key("number", string(number.as_str()))
            .expression_attribute_values(":order_id", string(order_id.as_str()))
    }

    fn route_update(
        &self,
        number: &Number,
        caller: &Caller,
        order_id: &OrderId,
        expires_at: Timestamp,
        reusable_at: Timestamp,
    ) -> UpdateBuilder {
        Update::builder()
            .table_name(&self.tables.routes)
            .key("number", string(number.as_str()))
            .key("caller", string(caller.as_str()))
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":ttl", moment(reusable_at.after(ROUTE_KEPT_SECONDS)))
            .expression_attribute_values(":order_id", string(order_id.as_str()))
            .expression_attribute_values(":expires_at", moment(expires_at))
            .expression_attribute_values(":reusable_at", moment(reusable_at))
    }
}

fn item(update: UpdateBuilder) -> Result<TransactWriteItem, StoreError> {
    let update = update.build().map_err(|_| StoreError::Refused {
        operation: "TransactWriteItems",
        code: "an incomplete request".to_owned(),
    })?;
    Ok(TransactWriteItem::builder().update(update).build())
}

fn is_condition(reason: &CancellationReason) -> bool {
    reason.code() == Some("ConditionalCheckFailed")
}

/// The code of a reason that trying again will not help.
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
