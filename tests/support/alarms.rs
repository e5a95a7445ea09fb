//! The alarms of the template. CloudWatch's part is small enough to be played here: a metric
//! filter is applied to the lines that the functions log.

use std::sync::LazyLock;

use serde_json::Value;
use yaml_rust2::{Yaml, YamlLoader};

static TEMPLATE: LazyLock<Yaml> = LazyLock::new(|| {
    let text = include_str!("../../infra/template.yaml");
    YamlLoader::load_from_str(text).expect("the template is YAML").swap_remove(0)
});

/// A metric filter.
#[derive(Clone, Debug)]
pub struct Filter {
    pub name: String,
    /// The logical id of the log group that it reads.
    pub log_group: String,
    /// The metric that it adds 1 to, for each line that it matches.
    pub metric: String,
    pattern: Pattern,
}

/// `{ $.path.to.field = "text" }`: the field of a line that is JSON is this text.
#[derive(Clone, Debug)]
struct Pattern {
    path: Vec<String>,
    text: String,
}

/// An alarm, and the metric that it looks at. (The local AWS knows no metric math.)
#[derive(Clone, Debug)]
pub struct Alarm {
    pub name: String,
    pub metric: Metric,
}

/// A metric of an alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    pub namespace: String,
    pub name: String,
    /// The names of the dimensions, and what the template gives as their values.
    pub dimensions: Vec<(String, String)>,
}

/// The resources of a type, with their logical ids.
pub fn resources(kind: &str) -> impl Iterator<Item = (&'static str, &'static Yaml)> {
    let all = TEMPLATE["Resources"].as_hash().expect("resources");
    let named = all.iter().map(|(name, resource)| (name.as_str().expect("a name"), resource));
    named.filter(move |(_, resource)| resource["Type"].as_str() == Some(kind))
}

pub fn filters() -> Vec<Filter> {
    let all = resources("AWS::Logs::MetricFilter").map(|(name, resource)| {
        let properties = &resource["Properties"];
        let transformation = &properties["MetricTransformations"][0];
        assert_eq!(transformation["MetricValue"].as_str(), Some("1"), "{name} counts lines");
        Filter {
            name: name.to_owned(),
            log_group: text(&properties["LogGroupName"]),
            metric: text(&transformation["MetricName"]),
            pattern: Pattern::parse(&text(&properties["FilterPattern"])),
        }
    });
    all.collect()
}

pub fn alarms() -> Vec<Alarm> {
    let all = resources("AWS::CloudWatch::Alarm").map(|(name, resource)| Alarm {
        name: name.to_owned(),
        metric: metric(&resource["Properties"]),
    });
    all.collect()
}

/// The text of the dashboard, whole, with its widgets for Kafka.
pub fn dashboard() -> String {
    let (_, resource) = resources("AWS::CloudWatch::Dashboard").next().expect("a dashboard");
    let body = &resource["Properties"]["DashboardBody"];
    let kafka = &body[1]["Kafka"];
    // JSON within JSON: the quotes of searches are escaped.
    format!("{}{}", text(&body[0]), text(&kafka[1])).replace("\\\"", "\"")
}

/// The form of the API's access log.
pub fn access_log() -> String {
    text(&TEMPLATE["Resources"]["ApiStage"]["Properties"]["AccessLogSettings"]["Format"])
}

impl Filter {
    /// How many lines of a log the filter counts.
    pub fn count(&self, log: &str) -> usize {
        log.lines().filter(|line| self.pattern.matches(line)).count()
    }
}

impl Pattern {
    /// Parses the one form that the template uses. CloudWatch knows many more.
    fn parse(pattern: &str) -> Self {
        let inside = pattern.strip_prefix("{ $.").and_then(|it| it.strip_suffix("\" }"));
        let parts = inside.and_then(|it| it.split_once(" = \""));
        let (path, text) = parts.expect("a pattern of the form { $.path = \"text\" }");
        assert!(!text.contains(['"', '*', '\\']), "a plain text: {text}");
        Self { path: path.split('.').map(str::to_owned).collect(), text: text.to_owned() }
    }

    fn matches(&self, line: &str) -> bool {
        let Ok(line) = serde_json::from_str::<Value>(line) else { return false };
        let field = self.path.iter().fold(&line, |value, name| &value[name.as_str()]);
        field.as_str() == Some(&self.text)
    }
}

fn metric(properties: &Yaml) -> Metric {
    let dimensions = properties["Dimensions"].as_vec().into_iter().flatten();
    Metric {
        namespace: text(&properties["Namespace"]),
        name: text(&properties["MetricName"]),
        dimensions: dimensions.map(|it| (text(&it["Name"]), text(&it["Value"]))).collect(),
    }
}

/// A text of the template. `!Ref X` and `!GetAtt X.Y` are `X` and `X.Y`.
pub fn text(value: &Yaml) -> String {
    value.as_str().expect("a text").to_owned()
}
