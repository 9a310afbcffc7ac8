"""AMLResponse, under the name that scoring scripts import: an answer with a status and headers of the script's choice."""
import json


class AMLResponse:
    """message: bytes, str, or anything JSON when json_str is true."""

    def __init__(self, message, status_code, response_headers=None, json_str=False, run_function_failed=False):
        self.headers = dict(response_headers or {})
        self.status_code = int(status_code)
        self.run_function_failed = bool(run_function_failed)
        names = {name.lower() for name in self.headers}
        if json_str:
            self.body = json.dumps(message).encode("utf-8")
            content_type = "application/json"
        elif isinstance(message, bytes):
            self.body = message
            content_type = "application/octet-stream"
        else:
            self.body = str(message).encode("utf-8")
            content_type = "text/plain; charset=utf-8"
        if "content-type" not in names:
            self.headers["Content-Type"] = content_type
