//! Divides messages into requests: SQS takes ten messages in one, and 1 MiB.
//! Source: Amazon SQS API Reference, `SendMessageBatch`.

use crate::sort::{LARGEST_MESSAGE, Message};

const MOST_MESSAGES: usize = 10;

/// Divides messages, in their order, into as few parcels as fit into a request each.
pub(crate) fn parcels(messages: Vec<Message>) -> Vec<Vec<Message>> {
    let mut parcels: Vec<Vec<Message>> = Vec::new();
    let mut bytes = 0;
    for message in messages {
        bytes += message.size();
        match parcels.last_mut() {
            Some(parcel) if parcel.len() < MOST_MESSAGES && bytes <= LARGEST_MESSAGE => {
                parcel.push(message);
            }
            _ => {
                bytes = message.size();
                parcels.push(vec![message]);
            }
        }
    }
    parcels
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sort::sort;

    fn parcels_of(sizes: &[usize]) -> Vec<Vec<usize>> {
        use base64::Engine;
        let encoded = |size| base64::engine::general_purpose::STANDARD.encode("x".repeat(size));
        let records: Vec<_> =
            sizes.iter().map(|size| json!({"offset": 0, "value": encoded(*size)})).collect();
        let event = json!({"records": {"orders-0": records}});
        let sorted = sort(&serde_json::from_value(event).unwrap());
        let parcels = parcels(sorted.assign);
        parcels.iter().map(|parcel| parcel.iter().map(Message::size).collect()).collect()
    }

    #[test]
    fn a_parcel_has_at_most_ten_messages_in_their_order() {
        let sizes: Vec<usize> = (1..=21).collect();
        let parcels = parcels_of(&sizes);
        assert_eq!(parcels.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 1]);
        assert_eq!(parcels.concat(), sizes);
        assert_eq!(parcels_of(&[]), Vec::<Vec<usize>>::new());
    }

    #[test]
    fn a_parcel_has_at_most_one_mebibyte() {
        const HALF: usize = LARGEST_MESSAGE / 2;
        assert_eq!(parcels_of(&[HALF, HALF, 1]), [vec![HALF, HALF], vec![1]]);
        assert_eq!(parcels_of(&[HALF, HALF + 1, 1]), [vec![HALF], vec![HALF + 1, 1]]);
        let sizes = [1, LARGEST_MESSAGE, LARGEST_MESSAGE, 1];
        assert_eq!(parcels_of(&sizes), sizes.map(|size| vec![size]));
    }
}
