//! What the template makes of the parameters for each kind of Kafka cluster: the mapping, and the
//! rights of the function's role. The rows are those of the table in `docs/kafka.md`.

use serde_json::{Value, json};
use support::deployed::{Result, Surprise, check, check_json};

use crate::Scene;

const TOPIC: &str = "order-events";
const CLUSTER: &str = "arn:aws:kafka:us-east-1:123456789012:cluster/orders/1f2e-5";
const SECRET: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:kafka-AbCdEf";

/// Parameters beside the topic, and what becomes of them.
struct Case {
    name: String,
    parameters: Value,
    /// The properties of the mapping that not every mapping has.
    mapping: Value,
    /// The rights beside those on queues and log.
    rights: Vec<Value>,
}

pub(crate) async fn each_kind_of_cluster_gets_its_mapping_and_rights(
    scene: &'static Scene,
) -> Result {
    let cases: Vec<Case> = [msk(), internet(), vpc(), options()].into_iter().flatten().collect();
    let with_topic = cases.iter().map(|case| {
        let mut parameters = case.parameters.clone();
        parameters["KafkaTopic"] = TOPIC.into();
        parameters
    });
    // Without a topic, and then each case.
    let sets: Value = [json!({})].into_iter().chain(with_topic).collect();
    let template = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/template.yaml");
    let arguments = [template, &sets.to_string(), "OrderTopic", "ForwardEventsRole"];
    let resolved = scene.stack.python(include_str!("resolve.py"), &arguments).await?;
    let resolved: Vec<Value> = serde_json::from_str(&resolved)
        .map_err(|error| Surprise::new(format!("the resolved template: {error}")))?;
    let Some((without, resolved)) = resolved.split_first() else {
        return Err(Surprise::new("nothing was resolved"));
    };
    check_json("without a topic", without, &json!({}))?;
    check("cases", &resolved.len(), &cases.len())?;
    cases.iter().zip(resolved).try_for_each(|(case, seen)| case.check(seen))
}

impl Case {
    fn new(
        name: impl Into<String>,
        parameters: Value,
        mapping: Value,
        rights: impl IntoIterator<Item = Vec<Value>>,
    ) -> Self {
        let rights = rights.into_iter().flatten().collect();
        Self { name: name.into(), parameters, mapping, rights }
    }

    fn check(&self, seen: &Value) -> Result {
        let mut mapping = json!({
            "FunctionName": "ForwardEvents", "Topics": [TOPIC], "BatchSize": 100,
            "StartingPosition": "TRIM_HORIZON",
        });
        for (name, value) in self.mapping.as_object().into_iter().flatten() {
            mapping[name] = value.clone();
        }
        check_json(&format!("{}: the mapping", self.name), &seen["OrderTopic"], &mapping)?;

        let policies = &seen["ForwardEventsRole"]["Policies"];
        let document = &policies[0]["PolicyDocument"]["Statement"];
        let mut rights = vec![
            allow(
                "sqs:SendMessage*",
                ["AssignQueue.Arn", "ReleaseQueue.Arn", "ForwardDeadLetterQueue.Arn"],
            ),
            allow(["logs:CreateLogStream", "logs:PutLogEvents"], "ForwardEventsLogs.Arn"),
        ];
        rights.extend(self.rights.iter().cloned());
        check_json(&format!("{}: the rights", self.name), document, &rights.into())?;
        check("policies", &policies.as_array().map(Vec::len), &Some(1))
    }
}

fn msk() -> Vec<Case> {
    let mapping = json!({"EventSourceArn": CLUSTER, "AmazonManagedKafkaEventSourceConfig": {}});
    let mut cases = vec![Case::new(
        "MSK with IAM",
        json!({"KafkaClusterArn": CLUSTER}),
        mapping.clone(),
        [of_cluster(), of_iam("*"), of_network()],
    )];
    for (auth, kind) in
        [("SCRAM_512", "SASL_SCRAM_512_AUTH"), ("MTLS", "CLIENT_CERTIFICATE_TLS_AUTH")]
    {
        let mut mapping = mapping.clone();
        mapping["SourceAccessConfigurations"] = json!([{"Type": kind, "URI": SECRET}]);
        cases.push(Case::new(
            format!("MSK with {auth}"),
            json!({"KafkaClusterArn": CLUSTER, "KafkaAuth": auth, "KafkaSecretArn": SECRET}),
            mapping,
            [of_cluster(), of_secret(), of_network()],
        ));
    }
    cases
}

/// Each way to prove who comes, and its name in a mapping.
const AUTHENTICATIONS: [(&str, &str); 4] = [
    ("PLAIN", "BASIC_AUTH"),
    ("SCRAM_256", "SASL_SCRAM_256_AUTH"),
    ("SCRAM_512", "SASL_SCRAM_512_AUTH"),
    ("MTLS", "CLIENT_CERTIFICATE_TLS_AUTH"),
];

/// The mapping of a cluster that is not MSK.
fn of_servers(accesses: &[Value]) -> Value {
    json!({
        "SelfManagedEventSource": {"Endpoints": {"KafkaBootstrapServers": ["a.test:9092", "b.test:9092"]}},
        "SelfManagedKafkaEventSourceConfig": {},
        "SourceAccessConfigurations": accesses,
    })
}

fn internet() -> Vec<Case> {
    let case = |(auth, kind)| {
        Case::new(
            format!("over the internet with {auth}"),
            json!({
                "KafkaBootstrapServers": "a.test:9092,b.test:9092",
                "KafkaAuth": auth, "KafkaSecretArn": SECRET,
            }),
            of_servers(&[json!({"Type": kind, "URI": SECRET})]),
            [of_secret()],
        )
    };
    AUTHENTICATIONS.into_iter().map(case).collect()
}

fn vpc() -> Vec<Case> {
    let network = json!({
        "KafkaBootstrapServers": "a.test:9092,b.test:9092",
        "KafkaSubnets": "subnet-0a,subnet-1b", "KafkaSecurityGroups": "sg-2c",
    });
    let accesses = [
        json!({"Type": "VPC_SUBNET", "URI": "subnet:subnet-0a"}),
        json!({"Type": "VPC_SUBNET", "URI": "subnet:subnet-1b"}),
        json!({"Type": "VPC_SECURITY_GROUP", "URI": "security_group:sg-2c"}),
    ];
    let mut cases = vec![Case::new(
        "in a VPC without authentication",
        network.clone(),
        of_servers(&accesses),
        [of_network()],
    )];
    for (auth, kind) in AUTHENTICATIONS {
        let mut parameters = network.clone();
        parameters["KafkaAuth"] = auth.into();
        parameters["KafkaSecretArn"] = SECRET.into();
        let secret = json!({"Type": kind, "URI": SECRET});
        let accesses: Vec<Value> = [secret].into_iter().chain(accesses.clone()).collect();
        cases.push(Case::new(
            format!("in a VPC with {auth}"),
            parameters,
            of_servers(&accesses),
            [of_secret(), of_network()],
        ));
    }
    cases
}

/// A group and pollers, for both kinds of cluster.
fn options() -> Vec<Case> {
    let pollers = json!({"MinimumPollers": "1", "MaximumPollers": "4"});
    let msk = Case::new(
        "MSK with a group and pollers",
        json!({
            "KafkaClusterArn": CLUSTER, "KafkaConsumerGroup": "virtual-numbers",
            "KafkaPollers": "1-4",
        }),
        json!({
            "EventSourceArn": CLUSTER,
            "AmazonManagedKafkaEventSourceConfig": {"ConsumerGroupId": "virtual-numbers"},
            "ProvisionedPollerConfig": &pollers,
        }),
        [of_cluster(), of_iam("virtual-numbers"), of_network()],
    );
    let other = internet().into_iter().next().map(|mut case| {
        case.name.push_str(", a group and pollers");
        case.parameters["KafkaConsumerGroup"] = "virtual-numbers".into();
        case.parameters["KafkaPollers"] = "1-4".into();
        case.mapping["SelfManagedKafkaEventSourceConfig"]["ConsumerGroupId"] =
            "virtual-numbers".into();
        case.mapping["ProvisionedPollerConfig"] = pollers;
        case
    });
    [msk].into_iter().chain(other).collect()
}

fn allow(action: impl Into<Value>, resource: impl Into<Value>) -> Value {
    json!({"Effect": "Allow", "Action": action.into(), "Resource": resource.into()})
}

fn of_cluster() -> Vec<Value> {
    let actions =
        ["kafka:DescribeClusterV2", "kafka:GetBootstrapBrokers", "kafka:ListScramSecrets"];
    vec![allow(actions, CLUSTER)]
}

/// To read this topic, and to join this group.
fn of_iam(group: &str) -> Vec<Value> {
    let of = |kind: &str, name: &str| {
        format!("arn:aws:kafka:us-east-1:123456789012:{kind}/orders/1f2e-5/{name}")
    };
    vec![
        allow(
            ["kafka-cluster:Connect", "kafka-cluster:DescribeClusterDynamicConfiguration"],
            CLUSTER,
        ),
        allow(["kafka-cluster:DescribeTopic", "kafka-cluster:ReadData"], of("topic", TOPIC)),
        allow(["kafka-cluster:DescribeGroup", "kafka-cluster:AlterGroup"], of("group", group)),
    ]
}

/// To read this secret, and to decrypt it and nothing else.
fn of_secret() -> Vec<Value> {
    let mut decrypt = allow("kms:Decrypt", "arn:aws:kms:us-east-1:000000000000:key/*");
    decrypt["Condition"] = json!({"StringEquals": {
        "kms:ViaService": "secretsmanager.us-east-1.amazonaws.com",
        "kms:EncryptionContext:SecretARN": SECRET,
    }});
    let actions = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"];
    vec![allow(actions, SECRET), decrypt]
}

/// To make network interfaces.
fn of_network() -> Vec<Value> {
    let actions = [
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSubnets",
        "ec2:DescribeVpcs",
    ];
    vec![allow(actions, "*")]
}
