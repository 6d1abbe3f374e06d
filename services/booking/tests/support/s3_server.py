"""An S3 server of the tests' own: moto, in a process of its own."""

import os
import subprocess
import sys
import time
from typing import Any

import boto3

from booking.clients.document_bucket import Bucket
from kit.testing.ports import HOST, free_port, listening

_SERVE = """
import os, sys, threading, time

def end_with(parent):
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)

threading.Thread(target=end_with, args=[int(sys.argv.pop(1))], daemon=True).start()
from moto.server import main
main(sys.argv[1:])
"""
"""Ends with the tests, also with tests that are killed."""

KEY = "tests"
REGION = "us-east-1"


class S3Server:
    """Started by `start()`; everything in it is in its memory and gone with it."""

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://{HOST}:{self.port}"

    def start(self) -> None:
        """Starts it and waits until it answers."""
        whose = [str(os.getpid()), "-H", HOST, "-p", str(self.port)]
        command = [sys.executable, "-c", _SERVE, *whose]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not listening(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the S3 server did not start")
            time.sleep(0.05)

    def stop(self) -> None:
        """Ends it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def bucket(self, name: str) -> Bucket:
        """A new, empty bucket."""
        self.client().create_bucket(Bucket=name)
        return Bucket(name, self.endpoint, REGION, KEY, KEY)

    def client(self) -> Any:
        """A client of the test's own."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=KEY,
            aws_secret_access_key=KEY,
        )

    def leftovers(self, name: str) -> tuple[list[str], list[str]]:
        """Keys that are kept, and keys with uploads that never ended."""
        client = self.client()
        kept = client.list_objects_v2(Bucket=name).get("Contents", [])
        unfinished = client.list_multipart_uploads(Bucket=name).get("Uploads", [])
        return [each["Key"] for each in kept], [each["Key"] for each in unfinished]
