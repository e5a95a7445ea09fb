//! Tests of what an order event may be.

use serde_json::json;

use super::*;

fn assigned() -> Value {
    json!({
        "type": "order.agent_assigned", "order_id": "o-1", "version": 2, "pool": "id-jkt",
        "expires_at": "2026-11-23T10:00:00Z",
        "participants": [
            {"role": "customer", "phone": "+6281211112222"},
            {"role": "agent", "phone": "+6281333334444"},
        ],
    })
}

fn error(event: &Value) -> String {
    OrderEvent::parse(&event.to_string()).unwrap_err().to_string()
}

#[test]
fn reads_every_type_of_event() {
    for (name, kind) in [
        ("order.created", EventKind::Created { pool: None }),
        ("order.agent_unassigned", EventKind::AgentUnassigned),
        ("order.completed", EventKind::Completed),
        ("order.cancelled", EventKind::Cancelled),
    ] {
        let event = json!({"type": name, "order_id": "o-1", "version": u64::MAX, "new": 1});
        let event = OrderEvent::parse(&event.to_string()).unwrap();
        assert_eq!((event.version, event.kind), (u64::MAX, kind));
    }
    let event = OrderEvent::parse(&assigned().to_string()).unwrap();
    let EventKind::AgentAssigned(assignment) = event.kind else { panic!("another kind") };
    assert_eq!(assignment.pool.as_deref(), Some("id-jkt"));
    assert_eq!(assignment.expires_at.unwrap().to_string(), "2026-11-23T10:00:00Z");
    assert_eq!(assignment.participants[1].role.as_str(), "agent");
    assert_eq!(assignment.participants[1].phone.reveal(), "+6281333334444");
}

#[test]
fn an_event_is_on_the_queue_of_its_type_whatever_else_is_wrong_with_it() {
    for name in ["agent_unassigned", "completed", "cancelled"] {
        let body = json!({"type": format!("order.{name}"), "version": "x"}).to_string();
        assert_eq!(OrderQueue::of(&body), OrderQueue::Release, "{name}");
    }
    for name in ["order.created", "order.agent_assigned", "order.paused", "completed", ""] {
        let body = json!({"type": name}).to_string();
        assert_eq!(OrderQueue::of(&body), OrderQueue::Assign, "{name}");
    }
    for body in ["", "{}", "[]", "null", "x", r#"{"type":7}"#, r#"{"type":"order.completed""#] {
        assert_eq!(OrderQueue::of(body), OrderQueue::Assign, "{body}");
    }
}

#[test]
fn an_error_names_the_field_and_hides_its_value() {
    let phone = json!("+6281299998888");
    for field in ["type", "order_id", "version", "expires_at", "participants"] {
        let mut event = assigned();
        event[field] = phone.clone();
        let error = error(&event);
        assert!(error.starts_with(&format!("{field}: ")), "{error}");
        assert!(!error.contains("8129999"), "{error}");
    }
    for field in ["role", "phone"] {
        let mut event = assigned();
        event["participants"][1][field] = json!("6281299998888");
        let error = error(&event);
        assert!(error.starts_with(&format!("participants[1].{field}: ")), "{error}");
        assert!(!error.contains("8129999"), "{error}");
    }
}

#[test]
fn an_error_names_a_missing_field() {
    for field in ["type", "order_id", "version", "participants"] {
        let mut event = assigned();
        event.as_object_mut().unwrap().remove(field);
        assert_eq!(error(&event), format!("{field}: is missing"));
    }
    for field in ["role", "phone"] {
        let mut event = assigned();
        event["participants"][0].as_object_mut().unwrap().remove(field);
        assert_eq!(error(&event), format!("participants[0].{field}: is missing"));
    }
}

#[test]
fn an_order_has_two_to_five_participants_whose_roles_and_phones_differ() {
    let people = |count: usize| -> Vec<Value> {
        (0..count)
            .map(|n| json!({"role": format!("role_{n}"), "phone": format!("+62812000000{n}")}))
            .collect()
    };
    let mut event = assigned();
    for count in 2..=5 {
        event["participants"] = people(count).into();
        assert!(OrderEvent::parse(&event.to_string()).is_ok(), "{count}");
    }
    for count in [0, 1, 6] {
        event["participants"] = people(count).into();
        assert_eq!(error(&event), "participants: must be 2 to 5");
    }
    for field in ["role", "phone"] {
        let mut event = assigned();
        event["participants"][1][field] = event["participants"][0][field].clone();
        assert_eq!(error(&event), format!("participants[1].{field}: must differ from the others'"));
    }
}

#[test]
fn a_body_that_is_not_a_json_object_is_refused() {
    for (body, reason) in
        [("", "must be JSON"), ("{", "must be JSON"), ("[]", "must be a JSON object")]
    {
        assert_eq!(OrderEvent::parse(body).unwrap_err().to_string(), format!("body: {reason}"));
    }
}

#[test]
fn an_id_of_digits_may_be_a_phone() {
    for (id, may_be) in [
        ("6281299998888", true),
        ("1234567", false),
        ("o-6281299998888", false),
        ("0812999988", false),
    ] {
        assert_eq!(OrderId::parse(id).unwrap().may_be_a_phone(), may_be, "{id}");
    }
}

#[test]
fn the_id_of_an_order_is_shown_as_it_came() {
    let order_id = OrderId::parse("o-1:A_b.c").unwrap();
    assert_eq!((order_id.as_str(), order_id.to_string().as_str()), ("o-1:A_b.c", "o-1:A_b.c"));
}

#[test]
fn a_refused_event_says_which_one_it_is_as_far_as_that_can_be_read() {
    for (field, known) in [
        ("order_id", (None, Some(2))),
        ("version", (Some("o-1"), None)),
        ("type", (Some("o-1"), Some(2))),
    ] {
        let mut event = assigned();
        event[field] = Value::Null;
        let refused = OrderEvent::parse(&event.to_string()).unwrap_err();
        assert_eq!((refused.order_id.as_ref().map(OrderId::as_str), refused.version), known);
        assert_eq!(refused.to_string(), format!("{field}: is missing"));
    }
}
