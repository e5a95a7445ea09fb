//! Which of the parameters for Kafka go together. Each alone was checked by the template.

use masking::Invalid;
use serde_json::{Map, Value};

/// The parameters of the topic with order events, each empty if it is not given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kafka {
    topic: String,
    cluster_arn: String,
    bootstrap_servers: String,
    auth: String,
    secret_arn: String,
    subnets: String,
    security_groups: String,
    consumer_group: String,
    pollers: String,
}

/// How an MSK cluster lets Lambda prove who it is, beside IAM, and where MSK is serverless only
/// by that. Source: AWS Lambda Developer Guide, "Configuring cluster authentication ... MSK".
const MSK_AUTH: [&str; 2] = ["SCRAM_512", "MTLS"];
/// The most pollers of a topic. Source: AWS Lambda API Reference, `ProvisionedPollerConfig`.
const MOST_MINIMUM_POLLERS: u32 = 200;
const MOST_POLLERS: u32 = 2000;

impl Kafka {
    /// Reads the properties. One that is missing or no text counts as empty.
    pub(crate) fn read(properties: &Map<String, Value>) -> Self {
        let text =
            |name| properties.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            topic: text("KafkaTopic"),
            cluster_arn: text("KafkaClusterArn"),
            bootstrap_servers: text("KafkaBootstrapServers"),
            auth: text("KafkaAuth"),
            secret_arn: text("KafkaSecretArn"),
            subnets: text("KafkaSubnets"),
            security_groups: text("KafkaSecurityGroups"),
            consumer_group: text("KafkaConsumerGroup"),
            pollers: text("KafkaPollers"),
        }
    }

    /// What is wrong with the parameters, parameter by parameter.
    pub(crate) fn problems(&self) -> Vec<Invalid> {
        if self.topic.is_empty() {
            return self.without_a_topic().into_iter().collect();
        }
        let problems = [self.cluster(), self.auth(), self.secret(), self.network(), self.pollers()];
        problems.into_iter().flatten().collect()
    }

    /// Without a topic, nothing of the rest would be used, and nobody would notice.
    fn without_a_topic(&self) -> Option<Invalid> {
        let others = [
            ("KafkaClusterArn", &self.cluster_arn),
            ("KafkaBootstrapServers", &self.bootstrap_servers),
            ("KafkaAuth", &self.auth),
            ("KafkaSecretArn", &self.secret_arn),
            ("KafkaSubnets", &self.subnets),
            ("KafkaSecurityGroups", &self.security_groups),
            ("KafkaConsumerGroup", &self.consumer_group),
            ("KafkaPollers", &self.pollers),
        ];
        let (name, _) = others.into_iter().find(|(_, value)| !value.is_empty())?;
        Some(Invalid::new("KafkaTopic", format!("is missing, and {name} is given")))
    }

    fn cluster(&self) -> Option<Invalid> {
        match (self.cluster_arn.is_empty(), self.bootstrap_servers.is_empty()) {
            (true, true) => Some(Invalid::new(
                "KafkaTopic",
                "needs a cluster: give KafkaClusterArn for MSK, KafkaBootstrapServers for any other",
            )),
            (false, false) => Some(Invalid::new(
                "KafkaBootstrapServers",
                "must be empty where KafkaClusterArn is given: MSK tells its servers",
            )),
            _ => None,
        }
    }

    fn auth(&self) -> Option<Invalid> {
        let is_for_msk = self.auth.is_empty() || MSK_AUTH.contains(&self.auth.as_str());
        (self.is_msk() && !is_for_msk).then(|| {
            Invalid::new("KafkaAuth", "must be empty (IAM), SCRAM_512 or MTLS for an MSK cluster")
        })
    }

    fn secret(&self) -> Option<Invalid> {
        match (self.auth.is_empty(), self.secret_arn.is_empty()) {
            (false, true) => {
                Some(Invalid::new("KafkaSecretArn", "is missing, and KafkaAuth needs it"))
            }
            (true, false) => Some(Invalid::new(
                "KafkaAuth",
                "is missing: it says what the secret of KafkaSecretArn is for",
            )),
            _ => None,
        }
    }

    /// Source: AWS Lambda Developer Guide, "Configuring network security ... self-managed".
    fn network(&self) -> Option<Invalid> {
        let [has_subnets, has_groups] =
            [&self.subnets, &self.security_groups].map(|ids| !ids.is_empty());
        if self.is_msk() && (has_subnets || has_groups) {
            let name = if has_subnets { "KafkaSubnets" } else { "KafkaSecurityGroups" };
            return Some(Invalid::new(name, "must be empty for an MSK cluster, which has its own"));
        }
        match (has_subnets, has_groups) {
            (true, false) => {
                Some(Invalid::new("KafkaSecurityGroups", "is missing, and KafkaSubnets is given"))
            }
            (false, true) => {
                Some(Invalid::new("KafkaSubnets", "is missing, and KafkaSecurityGroups is given"))
            }
            (false, false) if !self.is_msk() && self.auth.is_empty() => Some(Invalid::new(
                "KafkaAuth",
                "is missing: a cluster that is reached over the internet must ask who comes",
            )),
            _ => None,
        }
    }

    fn pollers(&self) -> Option<Invalid> {
        let bounds =
            self.pollers.split_once('-').map(|(least, most)| (least.parse(), most.parse()));
        let valid = match bounds {
            Some((Ok(least), Ok(most))) => {
                (1..=MOST_MINIMUM_POLLERS).contains(&least)
                    && (least..=MOST_POLLERS).contains(&most)
            }
            _ => self.pollers.is_empty(),
        };
        (!valid).then(|| {
            let reason = format!(
                "must be empty, or MIN-MAX with a minimum of 1 to {MOST_MINIMUM_POLLERS} and a \
                 maximum of that to {MOST_POLLERS}"
            );
            Invalid::new("KafkaPollers", reason)
        })
    }

    fn is_msk(&self) -> bool {
        !self.cluster_arn.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: (&str, &str) = ("KafkaTopic", "orders");
    const MSK: (&str, &str) = ("KafkaClusterArn", "arn:aws:kafka:x:1:cluster/c/1");
    const SERVERS: (&str, &str) = ("KafkaBootstrapServers", "kafka:9092");
    const SECRET: (&str, &str) = ("KafkaSecretArn", "arn:aws:secretsmanager:x:1:secret:s");
    const SUBNETS: (&str, &str) = ("KafkaSubnets", "subnet-1,subnet-2");
    const GROUPS: (&str, &str) = ("KafkaSecurityGroups", "sg-1");

    fn auth(auth: &'static str) -> (&'static str, &'static str) {
        ("KafkaAuth", auth)
    }

    /// The parameters that are wrong.
    fn problems(given: &[(&str, &str)]) -> Vec<String> {
        let properties = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).into()));
        let kafka = Kafka::read(&properties.collect());
        kafka.problems().into_iter().map(|invalid| invalid.field).collect()
    }

    #[test]
    fn parameters_that_go_together_are_let_through() {
        assert_eq!(problems(&[]), [""; 0]);
        assert_eq!(problems(&[TOPIC, MSK]), [""; 0]);
        for kind in ["SCRAM_512", "MTLS"] {
            assert_eq!(problems(&[TOPIC, MSK, auth(kind), SECRET]), [""; 0]);
        }
        for kind in ["SCRAM_512", "SCRAM_256", "PLAIN", "MTLS"] {
            assert_eq!(problems(&[TOPIC, SERVERS, auth(kind), SECRET]), [""; 0]);
            assert_eq!(problems(&[TOPIC, SERVERS, auth(kind), SECRET, SUBNETS, GROUPS]), [""; 0]);
        }
        assert_eq!(problems(&[TOPIC, SERVERS, SUBNETS, GROUPS]), [""; 0]);
        assert_eq!(problems(&[TOPIC, MSK, ("KafkaConsumerGroup", "orders")]), [""; 0]);
    }

    #[test]
    fn parameters_without_a_topic_would_do_nothing() {
        for other in [MSK, SERVERS, auth("MTLS"), SECRET, SUBNETS, GROUPS, ("KafkaPollers", "1-2")]
        {
            assert_eq!(problems(&[other]), ["KafkaTopic"], "{other:?}");
        }
        assert_eq!(problems(&[("KafkaConsumerGroup", "orders")]), ["KafkaTopic"]);
    }

    #[test]
    fn parameters_that_contradict_each_other_are_named() {
        for (given, field) in [
            (&[TOPIC, auth("PLAIN"), SECRET][..], "KafkaTopic"),
            (&[TOPIC, MSK, SERVERS], "KafkaBootstrapServers"),
            (&[TOPIC, MSK, auth("SCRAM_256"), SECRET], "KafkaAuth"),
            (&[TOPIC, MSK, auth("PLAIN"), SECRET], "KafkaAuth"),
            (&[TOPIC, MSK, auth("MTLS")], "KafkaSecretArn"),
            (&[TOPIC, MSK, SECRET], "KafkaAuth"),
            (&[TOPIC, MSK, SUBNETS, GROUPS], "KafkaSubnets"),
            (&[TOPIC, MSK, GROUPS], "KafkaSecurityGroups"),
            (&[TOPIC, SERVERS], "KafkaAuth"),
            (&[TOPIC, SERVERS, SUBNETS], "KafkaSecurityGroups"),
            (&[TOPIC, SERVERS, auth("PLAIN"), SECRET, GROUPS], "KafkaSubnets"),
        ] {
            assert_eq!(problems(given), [field], "{given:?}");
        }
    }

    #[test]
    fn pollers_have_a_minimum_and_a_maximum() {
        for valid in ["1-1", "1-2000", "200-2000"] {
            assert_eq!(problems(&[TOPIC, MSK, ("KafkaPollers", valid)]), [""; 0], "{valid}");
        }
        for wrong in ["0-1", "2-1", "201-300", "1-2001", "1", "-", "1-", "a-b", "1-2-3"] {
            assert_eq!(problems(&[TOPIC, MSK, ("KafkaPollers", wrong)]), ["KafkaPollers"]);
        }
    }
}
