"""HTTP for the scoring server: routes, headers, status codes, and the calls of run() or of the model.

Promises: bounded connections, header and body sizes; as many calls at once as the deployment allows;
nothing that a caller or a script puts into a header can start another one.
"""
import http.server
import json
import os
import re
import socketserver
import threading
import time
import traceback
import urllib.parse
import uuid

VERSION = "strongroom-scoring/1"
MOST_CONNECTIONS = 256
IDLE_SECONDS = 300
LONGEST_ID = 100
SAFE_VALUE = re.compile(r"^[\x20-\x7e]*$")
HEADER_NAME = re.compile(r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")
#: Decided by the server, whatever a script asks for.
OWN_HEADERS = frozenset(("content-length", "transfer-encoding", "connection", "date", "server"))


class BadArguments(Exception):
    """The request does not fit the parameters of run()."""


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, path, script, max_concurrency, max_body_bytes):
        super().__init__(path, Handler)
        os.chmod(path, 0o600)
        self.script = script
        self.max_body_bytes = max_body_bytes
        self.calls = threading.BoundedSemaphore(max_concurrency)
        self._connections = threading.BoundedSemaphore(MOST_CONNECTIONS)

    def process_request(self, request, client_address):
        # Waits when there are too many; the rest queue in the kernel, which bounds them in turn.
        self._connections.acquire()
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no more threads: the process limit of the sandbox
            self._connections.release()
            self.shutdown_request(request)

    def process_request_thread(self, request, client_address):
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.release()

    def handle_error(self, request, client_address):
        """A caller that went away is no news."""


class Answer:
    def __init__(self, status, body=b"", content_type="application/json", headers=()):
        self.status = status
        self.body = body
        self.headers = {"Content-Type": content_type}
        self.headers.update(headers)


def message(status, text, headers=()):
    return Answer(status, json.dumps({"message": text}).encode("utf-8"), headers=headers)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    #: Head and body leave in one piece: each piece would wake everybody on the way once more.
    wbufsize = 64 * 1024

    def version_string(self):
        return VERSION

    def log_message(self, *arguments):
        """Requests are recorded by the gateway, once."""

    def handle_one_request(self):
        # http.server looks up do_<METHOD>; one name for all keeps 404, 405 and the ids in one place.
        self.echoed = {}
        super().handle_one_request()

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.dispatch
        raise AttributeError(name)

    def handle_expect_100(self):
        goes_on = super().handle_expect_100()
        self.wfile.flush()
        return goes_on

    def send_error(self, code, text=None, explain=None):
        """For what http.server refuses by itself: a malformed request line, too many headers."""
        self.close_connection = True
        self.reply(message(code, text or "The request is malformed."))

    def dispatch(self):
        try:
            answer = self.identify() or self.route()
        except (ConnectionError, TimeoutError):
            self.close_connection = True
            return
        self.reply(answer)

    def identify(self):
        """Takes over the ids of the request; an Answer when one of them cannot be accepted."""
        request_id = self.headers.get("x-request-id")
        client_id = self.headers.get("x-ms-client-request-id") or self.headers.get("x-ms-request-id")
        trace_id = self.headers.get("TraceId")
        self.echoed = {"x-request-id": str(uuid.uuid4())}
        given = (("x-request-id", request_id), ("x-ms-client-request-id", client_id), ("TraceId", trace_id))
        for name, value in given:
            if value is None:
                continue
            if len(value) > LONGEST_ID:
                self.close_connection = True
                return message(431, "%s must not be longer than %d characters." % (name, LONGEST_ID))
            if not SAFE_VALUE.match(value):
                self.close_connection = True
                return message(400, "%s must be printable ASCII." % name)
            self.echoed[name] = value
        return None

    def route(self):
        target = urllib.parse.urlsplit(self.path)
        body, refusal = self.read_body()
        if refusal is not None:
            return refusal
        if target.path == "/score":
            return self.score(target, body)
        if target.path not in ("/", "/readyz", "/swagger.json"):
            return message(404, "There is nothing here. Requests go to /score.")
        if self.command not in ("GET", "HEAD"):
            return message(405, "Only GET is served here.", {"Allow": "GET"})
        if target.path == "/":
            return Answer(200, b"Healthy", "text/plain; charset=utf-8")
        if target.path == "/readyz":
            ready = self.server.script.ready
            return Answer(200 if ready else 503, b"Ready" if ready else b"Starting", "text/plain; charset=utf-8")
        return self.swagger(target)

    def swagger(self, target):
        version = dict(urllib.parse.parse_qsl(target.query)).get("version", "2")
        if version not in ("2", "3"):
            return message(404, "The version must be 2 or 3.")
        names = ["swagger%s.json" % version] + (["swagger.json"] if version == "2" else [])
        for name in names:
            path = os.path.join(self.server.script.app_root, name)
            if os.path.isfile(path):
                with open(path, "rb") as source:
                    return Answer(200, source.read())
        return Answer(200, json.dumps(self.server.script.description(version)).encode("utf-8"))

    def read_body(self):
        """(body, None), or (b"", the Answer that refuses it). One way to tell the length, so that no two readers differ."""
        if self.headers.get("Transfer-Encoding") is not None:
            self.close_connection = True
            return b"", message(411, "Send the body with a Content-Length.")
        lengths = self.headers.get_all("Content-Length") or ["0"]
        if len(lengths) != 1 or not re.match(r"^[0-9]{1,18}$", lengths[0]):
            self.close_connection = True
            return b"", message(400, "Content-Length must be one number.")
        length = int(lengths[0])
        if length > self.server.max_body_bytes:
            self.close_connection = True
            return b"", message(413, "The body must not be larger than %d bytes." % self.server.max_body_bytes)
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionAbortedError
        return body, None

    def score(self, target, body):
        script = self.server.script
        methods = ", ".join(script.methods)
        if self.command not in script.methods:
            return message(405, "Use %s." % methods, {"Allow": methods})
        if self.command == "OPTIONS" and not script.takes_raw_http:
            return Answer(200, headers={"Allow": methods})
        if not script.ready:
            return message(503, "The deployment is starting.", {"Retry-After": "5"})
        with self.server.calls:
            started = time.monotonic()
            try:
                answer = script.answer(self, target, body)
            except BadArguments as failure:
                answer = message(400, str(failure))
            except BaseException as failure:  # user code may raise SystemExit too
                traceback.print_exc()
                text = "%s raised %s. The log of the deployment has the details."
                answer = message(500, text % (script.called, type(failure).__name__), {"x-ms-run-function-failed": "True"})
            answer.headers["x-ms-run-fn-exec-ms"] = str(int((time.monotonic() - started) * 1000))
        return answer

    def reply(self, answer):
        bodiless = answer.status in (204, 304) or answer.status < 200
        self.send_response(answer.status)
        for name, value in {**answer.headers, **self.echoed, "x-ms-server-version": VERSION}.items():
            self.send_header(name, value)
        if not bodiless:
            self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD" and not bodiless:
            self.wfile.write(answer.body)
        self.wfile.flush()


def description(version, summary="Calls run() of the scoring script.", request=None, answer=None):
    """OpenAPI 2 or 3: where requests go, and what is known of them. What run() of a script takes is not."""
    anything = {"description": "What run() of the scoring script takes and returns, as JSON."}
    request, answer = request or anything, answer or anything
    operation = {
        "operationId": "score",
        "summary": summary,
        "responses": {"200": {"description": "What came of it."}, "default": {"description": "Scoring failed."}},
    }
    info = {"title": "Scoring", "version": "1"}
    if version == "3":
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": request}}}
        operation["responses"]["200"]["content"] = {"application/json": {"schema": answer}}
        key = {"type": "http", "scheme": "bearer"}
        return {
            "openapi": "3.0.3",
            "info": info,
            "paths": {"/score": {"post": operation}},
            "components": {"securitySchemes": {"key": key}},
            "security": [{"key": []}],
        }
    operation["consumes"] = operation["produces"] = ["application/json"]
    operation["parameters"] = [{"name": "body", "in": "body", "required": True, "schema": request}]
    operation["responses"]["200"]["schema"] = answer
    key = {"type": "apiKey", "in": "header", "name": "Authorization", "description": "Bearer, a space, and a key."}
    return {
        "swagger": "2.0",
        "info": info,
        "paths": {"/score": {"post": operation}},
        "securityDefinitions": {"key": key},
        "security": [{"key": []}],
    }


def call_run(script, handler, target, body):
    """Calls run() in the style that it was written for: @rawhttp, named query parameters (GET), or the raw text (POST)."""
    from azureml.contrib.services.aml_request import AMLRequest, Headers

    if script.takes_raw_http:
        return script.run(AMLRequest(handler.command, handler.path, handler.headers.items(), body))
    named = {}
    if "request_headers" in script.parameters:
        named["request_headers"] = Headers(handler.headers.items())
    plain = [name for name in script.parameters if name != "request_headers"]
    if handler.command == "GET":
        given = dict(urllib.parse.parse_qsl(target.query, keep_blank_values=True, max_num_fields=1000))
        required = [name for name in plain if script.parameters[name].default is script.parameters[name].empty]
        if set(given) - set(plain) or set(required) - set(given):
            raise BadArguments("The query must name the parameters of run(): %s." % ", ".join(plain))
        return script.run(**given, **named)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise BadArguments("The body must be UTF-8 text.")
    return script.run(text, **named)


def as_answer(result):
    """What run() returned, as HTTP. Anything but bytes and an AMLResponse becomes JSON, a string included, as Azure has it."""
    from azureml.contrib.services.aml_response import AMLResponse

    if isinstance(result, AMLResponse):
        headers = {}
        for name, value in result.headers.items():
            name, value = str(name), str(value)
            if not HEADER_NAME.match(name) or not SAFE_VALUE.match(value):
                raise ValueError("a header of the response is malformed")
            if name.lower() not in OWN_HEADERS:
                headers[name] = value
        if not 200 <= result.status_code <= 599:
            raise ValueError("the status of the response must be 200 to 599")
        if result.run_function_failed:
            headers["x-ms-run-function-failed"] = "True"
        return Answer(result.status_code, result.body, headers=headers)
    if isinstance(result, (bytes, bytearray)):
        return Answer(200, bytes(result), "application/octet-stream")
    return Answer(200, json.dumps(result).encode("utf-8"))
