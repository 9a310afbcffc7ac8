"""AMLRequest and @rawhttp, under the names that scoring scripts import: what a script sees of an HTTP request.

Implements the documented part (method, headers, args, get_data, get_json); it is no web framework.
"""
import json
import urllib.parse


class Headers(dict):
    """Header fields by name, whatever its case."""

    def __init__(self, items=()):
        super().__init__()
        for name, value in items:
            self[name.title()] = value

    def __getitem__(self, name):
        return super().__getitem__(name.title())

    def __contains__(self, name):
        return super().__contains__(name.title())

    def get(self, name, default=None):
        return super().get(name.title(), default)


class AMLRequest:
    def __init__(self, method, target, headers, body):
        path, _, query = target.partition("?")
        self.method = method
        self.path = path
        self.full_path = target
        self.query_string = query.encode("utf-8")
        self.headers = Headers(headers)
        self.args = dict(urllib.parse.parse_qsl(query, keep_blank_values=True, max_num_fields=1000))
        self.data = body

    def get_data(self, cache=True, as_text=False, parse_form_data=False):
        return self.data.decode("utf-8", "replace") if as_text else self.data

    def get_json(self, force=False, silent=False, cache=True):
        try:
            return json.loads(self.data)
        except ValueError:
            if silent:
                return None
            raise

    @property
    def json(self):
        return self.get_json()


def rawhttp(function):
    """Marks run() as one that takes an AMLRequest."""
    function.takes_raw_http = True
    return function
