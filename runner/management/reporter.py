"""Writes frames to the agent: one JSON object a line. Promises whole lines, from any thread."""
import json
import os
import threading


class Reporter:
    def __init__(self, descriptor):
        self.descriptor = descriptor
        self._lock = threading.Lock()

    def event(self, name, **fields):
        self._write({"event": name, **{key: value for key, value in fields.items() if value is not None}})

    def output(self, text):
        self._write({"stream": "user", "text": text})

    def _write(self, frame):
        data = json.dumps(frame).encode("ascii") + b"\n"
        with self._lock:
            while data:
                data = data[os.write(self.descriptor, data):]
