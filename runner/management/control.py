"""Listens to the agent after the document: stop, a new token, or the agent's end.

Messages are JSON lines: {"stop": {"graceSeconds": n}} and {"token": "..."}. End of input means that the agent is gone.
"""
import json
import threading

LONGEST_MESSAGE_BYTES = 1024 * 1024
DEFAULT_GRACE_SECONDS = 10


class Control:
    def __init__(self, stream, wire, leave):
        """leave: ends this process at once; used while no user process runs that would need a grace period."""
        self._stream = stream
        self._wire = wire
        self._leave = leave
        self._lock = threading.Lock()
        self._supervised = False
        self.stop_grace_seconds = None

    def start(self):
        threading.Thread(target=self._listen, daemon=True).start()

    def supervised(self):
        """From now on a stop is for the supervisor, which looks at `stop_grace_seconds`."""
        with self._lock:
            self._supervised = True

    def request_stop(self, grace_seconds=DEFAULT_GRACE_SECONDS):
        with self._lock:
            if self.stop_grace_seconds is None:
                self.stop_grace_seconds = max(0.0, float(grace_seconds))
            if not self._supervised:
                self._leave()

    def _listen(self):
        while True:
            line = self._stream.readline(LONGEST_MESSAGE_BYTES)
            if not line.endswith(b"\n"):
                return self.request_stop(0)
            try:
                message = json.loads(line)
                if "stop" in message:
                    self.request_stop(message["stop"].get("graceSeconds", DEFAULT_GRACE_SECONDS))
                elif "token" in message:
                    self._wire.token = str(message["token"])
            except (ValueError, TypeError, AttributeError):
                return self.request_stop(0)
