"""Stands in for Lambda's pollers: hands the records of a topic to the function of its mapping.

    infra/local/poller.py ENDPOINT SERVERS

Which function gets them, in batches of which size, and whether at all, is read from the deployed
mapping, again each second. (The emulator's mapping has neither topic nor consumer group: these are
the parameters of the deployed stack.) The function gets the event that AWS documents. The offsets
of a batch are committed after the function has succeeded; until then, the same batch is handed
out again, and the records behind it wait.

What it does not show of Lambda: more pollers than one, scaling, provisioned mode, authentication,
network interfaces in a VPC, and what becomes of a record that does not fit into an invocation.
"""

import base64
import json
import sys
import time

from confluent_kafka import OFFSET_STORED, Consumer, KafkaException, TopicPartition

from machine import client
from stack import STACK

# The logical id of the mapping in the template.
MAPPING = "OrderTopic"
# For how long it gathers records, in seconds. Lambda does for half a second by default, which the
# tests would wait for with each event.
WINDOW = 0.1
# The records of an invocation are smaller, in base64. Source: AWS Lambda Developer Guide, "Lambda
# quotas", 6 MB for an invocation.
LARGEST_BATCH = 5_900_000
# Between two tries of a batch, in seconds.
SHORTEST_PAUSE, LONGEST_PAUSE = 0.2, 5


class Poller:
    def __init__(self, endpoint, servers):
        from botocore.config import Config

        self.servers = servers
        # One try, for longer than a function may take: this program tries again by itself.
        once = Config(read_timeout=120, retries={"total_max_attempts": 1})
        self.functions = client("lambda", endpoint, once)
        self.stacks = client("cloudformation", endpoint, once)
        self.consumer, self.reads = None, None

    def run(self):
        while True:
            mapping, until = self.mapping(), time.monotonic() + 1
            if not mapping or mapping["State"] != "Enabled":
                time.sleep(0.2)
                continue
            self.read(mapping)
            while time.monotonic() < until:
                found = self.consumer.consume(mapping["BatchSize"], WINDOW)
                for batch in batches([record for record in found if not record.error()]):
                    self.hand_out(batch, mapping["FunctionArn"])

    def mapping(self):
        """Returns the deployed mapping with its topic and group, or None if there is none."""
        try:
            resource = self.stacks.describe_stack_resource(
                StackName=STACK, LogicalResourceId=MAPPING)["StackResourceDetail"]
            mapping = self.functions.get_event_source_mapping(UUID=resource["PhysicalResourceId"])
            stack = self.stacks.describe_stacks(StackName=STACK)["Stacks"][0]
        except Exception:  # There is none, or the emulator is busy.
            return None
        parameters = {it["ParameterKey"]: it["ParameterValue"] for it in stack["Parameters"]}
        topic = parameters.get("KafkaTopic")
        group = parameters.get("KafkaConsumerGroup") or mapping["UUID"]
        return {**mapping, "Topic": topic, "Group": group} if topic else None

    def read(self, mapping):
        """Begins to read the mapping's topic as its group, unless it does so already."""
        wanted = (mapping["Topic"], mapping["Group"], mapping["StartingPosition"])
        if self.reads == wanted:
            return
        topic, group, start = wanted
        if self.consumer:
            self.consumer.close()
        self.consumer = Consumer({
            "bootstrap.servers": self.servers,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest" if start == "TRIM_HORIZON" else "latest",
        })
        partitions = self.consumer.list_topics(topic, timeout=30).topics[topic].partitions
        # One poller reads all partitions, so there is nothing to share out in a group.
        self.consumer.assign([TopicPartition(topic, it, OFFSET_STORED) for it in partitions])
        self.reads = wanted
        say(f"reads {len(partitions)} partitions of {topic} as {group}")

    def hand_out(self, batch, function):
        """Hands a batch to the function until it succeeds, then commits its offsets."""
        pause = SHORTEST_PAUSE
        payload = json.dumps(event(batch, self.servers)).encode()
        while not self.succeeds(function, payload):
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        offsets = [TopicPartition(it.topic(), it.partition(), it.offset() + 1) for it in batch]
        try:
            self.consumer.commit(offsets=last_of_each(offsets), asynchronous=False)
        except KafkaException as error:
            # The next commit says it too. If there is none, these records are handed out again.
            say(f"commit failed: {error}")

    def succeeds(self, function, payload):
        """Invokes the function. Returns whether it has succeeded."""
        try:
            answer = self.functions.invoke(FunctionName=function, Payload=payload)
        except Exception as error:
            say(f"a batch failed: {error}")
            return False
        if "FunctionError" in answer:
            say(f"a batch failed: {answer['Payload'].read().decode()}")
        return "FunctionError" not in answer


def batches(records):
    """Divides records, in their order, into batches that fit into an invocation each."""
    batch, size = [], 0
    for record in records:
        length = (len(record.value() or b"") + len(record.key() or b"")) * 4 // 3 + 300
        if batch and LARGEST_BATCH < size + length:
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += length
    if batch:
        yield batch


def event(batch, servers):
    """Returns the event that Lambda makes of records. Source: AWS Lambda Developer Guide, "Using
    Lambda with self-managed Apache Kafka", example event."""
    records = {}
    for record in batch:
        kind, timestamp = record.timestamp()
        records.setdefault(f"{record.topic()}-{record.partition()}", []).append({
            "topic": record.topic(),
            "partition": record.partition(),
            "offset": record.offset(),
            "timestamp": timestamp,
            "timestampType": "LOG_APPEND_TIME" if kind == 2 else "CREATE_TIME",
            "key": text(record.key()),
            "value": text(record.value()),
            "headers": [{name: list(value or b"")} for name, value in record.headers() or []],
        })
    return {"eventSource": "SelfManagedKafka", "bootstrapServers": servers, "records": records}


def text(value):
    return None if value is None else base64.b64encode(value).decode()


def last_of_each(offsets):
    return list({(it.topic, it.partition): it for it in offsets}.values())


def say(what):
    print(time.strftime("%H:%M:%S"), what, flush=True)


if __name__ == "__main__":
    Poller(*sys.argv[1:]).run()
