"""Writes to a topic for the tests, and says what a consumer group has not read.

Arguments: the address of the broker, the topic, the group. Each line of input is a request in JSON,
and gets a line of JSON as its answer:

    [[key, value], ...]   the positions of these records, such as order-events-3:4711; a value is
                          null or a string whose characters stand for bytes
    "unread"              how many of all these records the group has not committed yet

It counts by its own records: Tansu names the begin of the last batch as the end of a partition.
"""

import json
import sys
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

servers, topic, group = sys.argv[1:]
quiet = {"bootstrap.servers": servers, "log_level": 0}
producer = Producer({**quiet, "linger.ms": 1, "message.max.bytes": 4_000_000})
# It only asks: it never joins the group.
consumer = Consumer({**quiet, "group.id": group, "enable.auto.commit": False})
# The offset behind the last record of each partition.
ends = {}


def produce(records):
    positions = [None] * len(records)

    def delivered(index, error, record):
        if error:
            raise KafkaException(error)
        partition, offset = record.partition(), record.offset()
        positions[index] = f"{topic}-{partition}:{offset}"
        ends[partition] = max(offset + 1, ends.get(partition, 0))

    for index, (key, value) in enumerate(records):
        value = value if value is None else value.encode("latin-1")
        producer.produce(
            topic, value, key,
            on_delivery=lambda error, record, index=index: delivered(index, error, record),
        )
        producer.poll(0)
    producer.flush()
    return positions


def unread():
    partitions = [TopicPartition(topic, partition) for partition in ends]
    places = consumer.committed(partitions, timeout=5) if partitions else []
    return sum(ends[place.partition] - max(place.offset, 0) for place in places)


def answer(request):
    if request != "unread":
        return produce(request)
    deadline = time.monotonic() + 30
    while True:
        try:
            return unread()
        except KafkaException:  # The broker may be about to come back.
            if deadline < time.monotonic():
                raise


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
