"""Events for a function that runs alone, made from those of tests/events for a running stack.

Times are now, each version is higher than those before, and imported numbers are new. A call dials
the agent's virtual number, with a token or signature that the stack accepts.
"""

import base64
import json
import time
import uuid
from urllib.parse import parse_qsl, urlencode

from machine import ROOT, client
from processes import Failure

EVENTS = ROOT / "tests" / "events"
ROUTES = ("resolve", "twilio", "exotel")


def fresh_event(stack, function, order_id, route):
    """Returns the event of a function as JSON text."""
    name = function if route == "resolve" else f"{function}-{route}"
    file = EVENTS / f"{name}.json"
    if not file.exists():
        raise Failure(f"there is no event for {name}: {EVENTS.relative_to(ROOT)} has those that are")
    event = json.loads(file.read_text())
    if function == "resolve-call":
        call(event, route, stack, order_id)
    elif function == "forward-events":
        for records in event["records"].values():
            kafka_record(records[0], order_id)
    else:
        message(event["Records"][0], order_id)
    return json.dumps(event)


def message(record, order_id):
    """Changes an SQS record to one that was sent just now."""
    now = str(time.time_ns() // 1_000_000)
    record["messageId"] = str(uuid.uuid4())
    record["attributes"].update(SentTimestamp=now, ApproximateFirstReceiveTimestamp=now)
    record["body"] = fresh_body(record["body"], order_id, now)
    del record["md5OfBody"]


def kafka_record(record, order_id):
    """Changes a record of a topic to one that was produced just now."""
    now = str(time.time_ns() // 1_000_000)
    value = fresh_body(base64.b64decode(record["value"]), order_id, now)
    record.update(
        timestamp=int(now),
        key=base64.b64encode(order_id.encode()).decode(),
        value=base64.b64encode(value.encode()).decode(),
    )


def fresh_body(text, order_id, now):
    """Returns a message about this order, with a version and numbers of this moment."""
    body = json.loads(text)
    if "order_id" in body:
        body.update(order_id=order_id, version=int(now))
    if "numbers" in body:
        body["numbers"] = [f"+6221{int(now[:-3]) % 10**8 + index:08}" for index in range(4)]
    return json.dumps(body)


def call(event, route, stack, order_id):
    """Changes a call to an authenticated one from the customer of an order to its agent."""
    facts, outputs = stack.require_facts(), stack.outputs()
    called = number_of(facts["endpoint"], outputs["OrdersTable"], order_id, "agent")
    secret = client("secretsmanager", facts["endpoint"]).get_secret_value(
        SecretId=outputs["ProviderSecretArn"])["SecretString"]
    token = token_of(secret, route)
    event["requestContext"]["domainName"] = event["headers"]["host"] = facts["api_domain"]
    if route == "resolve":
        event["headers"]["authorization"] = f"Bearer {token}"
        event["body"] = json.dumps({**json.loads(event["body"]), "called": called})
    elif route == "twilio":
        from twilio.request_validator import RequestValidator

        form = dict(parse_qsl(base64.b64decode(event["body"]).decode()), To=called)
        event["body"] = base64.b64encode(urlencode(form).encode()).decode()
        event["headers"]["x-twilio-signature"] = RequestValidator(token).compute_signature(
            f"https://{facts['api_domain']}{event['rawPath']}", form)
    else:
        path = f"/calls/exotel/{token}"
        event["rawPath"] = event["requestContext"]["http"]["path"] = path
        event["pathParameters"]["token"] = token
        query = dict(parse_qsl(event["rawQueryString"]), CallTo=called)
        event["rawQueryString"] = urlencode(query)


def number_of(endpoint, table, order_id, role):
    """Returns a participant's virtual number, from the order's row."""
    found = client("dynamodb", endpoint).get_item(
        TableName=table, Key={"order_id": {"S": order_id}}, ConsistentRead=True)
    participants = found.get("Item", {}).get("participants", {}).get("L", [])
    for participant in (participant["M"] for participant in participants):
        if participant["role"]["S"] == role:
            return participant["number"]["S"]
    raise Failure(f"the order {order_id} has no number for its {role}: assign it first")


def token_of(secret, route):
    """Returns the first token for a route in the stack's provider secret."""
    part = json.loads(secret).get(route, {})
    for name in ("tokens", "auth_tokens", "webhook_tokens"):
        if part.get(name):
            return part[name][0]
    raise Failure(f"the provider secret has no token for {route} yet: put one into it first")
