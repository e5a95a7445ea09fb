"""Prints what the template makes of parameters, by the emulator's own engine.

Arguments: the template, a list of parameter sets as JSON, the logical ids of resources. The output
is a list with, for each set, the properties of those resources whose condition holds. A reference
to another resource is its logical id.
"""

import json
import pathlib
import sys

from ministack.services.cloudformation import engine

path, sets, *wanted = sys.argv[1:]
template = engine._parse_template(pathlib.Path(path).read_text())
resources = template["Resources"]
# What references are resolved to: as if all resources were there.
known = {
    name: {"PhysicalResourceId": name, "Attributes": {"Arn": f"{name}.Arn"}, "Type": it["Type"]}
    for name, it in resources.items()
}


def resolved(parameters):
    given = [{"Key": key, "Value": value} for key, value in parameters.items()]
    values = engine._resolve_parameters(template, given)
    conditions = engine._evaluate_conditions(template, values)
    return {
        name: engine._resolve_refs(
            resources[name]["Properties"], known, values, conditions, {}, "stack", "stack-id")
        for name in wanted
        if conditions[resources[name]["Condition"]]
    }


print(json.dumps([resolved(parameters) for parameters in json.loads(sets)]))
