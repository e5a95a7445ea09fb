//! What each resource of a kind must have in `infra/template.yaml`.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use tidy::assert_none;
use tidy::source::files;

/// The type of a resource, and a line that each of them has, and why.
const EACH_HAS: [(&str, &str, &str); 4] = [
    ("AWS::SQS::Queue", "SqsManagedSseEnabled: true", "bodies hold phones"),
    ("AWS::Logs::LogGroup", "RetentionInDays: !Ref LogRetentionDays", "logs are not kept for ever"),
    ("AWS::CloudWatch::Alarm", "AlarmActions: !If [HasAlarmTopic", "an alarm tells somebody"),
    ("AWS::CloudWatch::Alarm", "TreatMissingData: notBreaching", "a quiet night is no alarm"),
];

fn template() -> String {
    let files = files(&["infra"], &["yaml"]);
    let template = files.into_iter().find(|it| it.path == "infra/template.yaml");
    template.expect("it is there").text
}

/// The resources of the template: the lines of each.
fn resources(template: &str) -> Vec<Vec<&str>> {
    let mut resources: Vec<Vec<&str>> = Vec::new();
    for line in template.lines() {
        let is_name = line.starts_with("  ") && !line.starts_with("   ") && line.ends_with(':');
        match resources.last_mut() {
            Some(resource) if !is_name => resource.push(line.trim()),
            _ => resources.push(vec![line.trim()]),
        }
    }
    resources
}

/// The one function that runs before the settings are checked: it checks them.
const CHECKS_SETTINGS: &str = "CheckSettings:";

#[test]
fn no_function_gets_settings_before_they_are_checked() {
    let template = template();
    let resources = resources(&template);
    let functions = resources.iter().filter(|it| it.contains(&"Type: AWS::Serverless::Function"));
    let is_unchecked = |it: &&Vec<&str>| !it.contains(&"DependsOn: SettingsCheck");
    let unchecked: Vec<String> = functions
        .filter(is_unchecked)
        .filter_map(|it| it.first())
        .map(|&it| it.to_owned())
        .collect();
    assert_eq!(unchecked, [CHECKS_SETTINGS], "the others have `DependsOn: SettingsCheck`");
}

#[test]
fn each_resource_has_what_all_of_its_kind_have() {
    let template = template();
    let resources = resources(&template);
    let mut broken = Vec::new();
    for (kind, line, why) in EACH_HAS {
        let kind = format!("Type: {kind}");
        let of_kind: Vec<_> = resources.iter().filter(|it| it.contains(&kind.as_str())).collect();
        assert!(!of_kind.is_empty(), "this rule looks for nothing: {kind}");
        for resource in of_kind {
            if !resource.iter().any(|it| it.starts_with(line)) {
                let name = resource.first().expect("a name");
                broken.push(format!("{name} {line}, because {why}"));
            }
        }
    }
    assert_none("All resources of a kind are kept alike.", &broken);
}
