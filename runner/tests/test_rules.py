"""Rules of the smaller parts: paths, listings, addresses, control messages, uploads, answers of scripts."""
import io
import os
import subprocess
import sys
import tempfile
import types
import unittest

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "compat"))

from azureml.contrib.services.aml_request import AMLRequest, rawhttp  # noqa: E402
from azureml.contrib.services.aml_response import AMLResponse  # noqa: E402
from management import fetch, upload  # noqa: E402
from management.control import Control  # noqa: E402
from management.outcome import Outcome, SetupFailed, exit_status  # noqa: E402
from management.paths import BadPath, checked_parts  # noqa: E402
from management.redaction import Redaction  # noqa: E402
from management.scoring_http import BadArguments, as_answer, call_run  # noqa: E402
from management.wire import Wire  # noqa: E402

BOUNDS = fetch.Bounds("snapshot", 10, 100)


class Paths(unittest.TestCase):
    def test_accepts_what_people_name_files(self):
        for path in ("a", "a/b.c", "ä ö/日本.txt", "..a/b..", "-rf", "a" * 255):
            self.assertEqual("/".join(checked_parts(path)), path)

    def test_refuses_what_could_lead_elsewhere(self):
        for path in ("", "/a", "a/", "a//b", "..", "a/..", ".", "a\\b", "a\0b", "a\nb", "\udcff", "a" * 256, "a/" * 70 + "a", None, 7):
            with self.assertRaises(BadPath, msg=repr(path)):
                checked_parts(path)


class Listings(unittest.TestCase):
    def test_refuses_document_types_and_what_is_no_xml(self):
        for body in (b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', b"<x", b""):
            with self.assertRaises(SetupFailed):
                fetch.parse_listing(body, BOUNDS)

    def test_takes_the_prefix_off_and_leaves_neighbours_out(self):
        self.assertEqual(fetch.relative("code/v1/a", "code/v1"), "a")
        self.assertEqual(fetch.relative("data/one.csv", "data/one.csv"), "one.csv")
        self.assertIsNone(fetch.relative("code/v10/a", "code/v1"))

    def test_counts_down(self):
        bounds = fetch.Bounds("inputs", 1, 10)
        bounds.take_file()
        with self.assertRaisesRegex(SetupFailed, "inputs has too many"):
            bounds.take_file()
        with self.assertRaisesRegex(SetupFailed, "too large"):
            bounds.take_bytes(11)


class Addresses(unittest.TestCase):
    def test_only_https_to_the_port_of_strongroom(self):
        wire = Wire(None, 8443)
        self.assertEqual(wire._split("https://localhost:8443/a%20b?c=d"), ("localhost", "/a%20b?c=d"))
        for url in ("http://localhost:8443/", "https://localhost/", "https://localhost:8444/", "https://u:p@localhost:8443/", "file:///a", ""):
            with self.assertRaises(SetupFailed, msg=url):
                wire._split(url)


class ControlMessages(unittest.TestCase):
    def listen(self, data):
        wire, left = types.SimpleNamespace(token="old"), []
        control = Control(io.BytesIO(data), wire, lambda: left.append(1))
        control.supervised()
        control._listen()
        return control, wire, left

    def test_stop_and_token(self):
        control, wire, left = self.listen(b'{"token": "new"}\n{"stop": {"graceSeconds": 7}}\n')
        self.assertEqual((wire.token, control.stop_grace_seconds, left), ("new", 7.0, []))

    def test_the_end_of_the_agent_and_nonsense_stop_at_once(self):
        for data in (b"", b"nonsense\n", b'{"stop": 3}\n', b'{"token": "cut'):
            self.assertEqual(self.listen(data)[0].stop_grace_seconds, 0.0)

    def test_before_user_code_runs_a_stop_ends_the_process(self):
        left = []
        Control(io.BytesIO(b""), None, lambda: left.append(1)).request_stop(5)
        self.assertEqual(left, [1])

    def test_exit_status(self):
        self.assertEqual(exit_status(Outcome("exited", exit_code=7)), 7)
        self.assertEqual(exit_status(Outcome("signal", signal="SIGKILL")), 1)
        self.assertEqual(exit_status(Outcome("upload_failed", exit_code=0)), 74)


class Uploads(unittest.TestCase):
    def test_collects_regular_files_in_order_and_names_what_it_leaves(self):
        with tempfile.TemporaryDirectory() as folder:
            for path in ("outputs/b", "outputs/a/z", "logs/l", "else/x", "outputs/bad\nname"):
                os.makedirs(os.path.join(folder, os.path.dirname(path)), exist_ok=True)
                with open(os.path.join(folder, path), "w") as target:
                    target.write(path)
            os.symlink("/etc/passwd", os.path.join(folder, "outputs", "link"))
            found = upload.collect(folder)
            self.assertEqual([path for path, _ in found.files], ["outputs/a/z", "outputs/b", "logs/l"])
            self.assertEqual([path for path, _ in found.refused], ["outputs/bad\nname"])
            self.assertEqual(found.passed_over, [("outputs/link", "It is a link.")])

    def test_a_placed_output_goes_to_its_place_alone_and_one_that_is_a_file_is_that_file(self):
        sent, said = [], []
        wire = types.SimpleNamespace(exchange=lambda method, url, *rest, **more: sent.append((method, url)))
        with tempfile.TemporaryDirectory() as folder:
            for path in ("x/a b", "x/deep/c", "x2/d", "f/it.txt", "f/other"):
                os.makedirs(os.path.join(folder, os.path.dirname(path)), exist_ok=True)
                with open(os.path.join(folder, path), "w") as target:
                    target.write(path)
            os.symlink("/etc/passwd", os.path.join(folder, "x", "link"))
            place = {"baseUrl": "https://host/x/files", "query": "v=1"}
            self.assertEqual(upload.upload_placed(wire, said.append, folder, "x", place), 0)
            self.assertEqual(sent, [("PUT", "https://host/x/files/a%20b?v=1"), ("PUT", "https://host/x/files/deep/c?v=1")])
            self.assertRegex(said[0], "link.*It is a link")
            del sent[:], said[:]
            self.assertEqual(upload.upload_placed(wire, said.append, folder, "f", dict(place, file="it.txt")), 1)
            self.assertEqual(sent, [("PUT", "https://host/x/files/it.txt?v=1")])
            self.assertRegex(said[0], "f/other.*The output is a file, it.txt")

    def test_a_file_that_is_mostly_a_hole_is_not_kept_and_one_that_was_written_is(self):
        with tempfile.TemporaryDirectory() as folder:
            os.makedirs(os.path.join(folder, "outputs"))
            for name, written, size in (("hole", 1, 3 << 30), ("small", 1, 1 << 20), ("whole", 12 << 20, 12 << 20)):
                with open(os.path.join(folder, "outputs", name), "wb") as target:
                    target.write(b"x" * written)
                    target.truncate(size)
            found = upload.collect(folder)
            self.assertEqual([path for path, _ in found.files], ["outputs/small", "outputs/whole"])
            self.assertEqual([path for path, _ in found.refused], ["outputs/hole"])
            self.assertIn("hole", found.refused[0][1])

    def test_bears_a_tree_that_is_deeper_than_any_stack_and_bounds_a_wide_one(self):
        with tempfile.TemporaryDirectory() as folder:
            at = os.open(folder, os.O_RDONLY)
            for name in ["outputs"] + ["d"] * 1500:
                os.mkdir(name, dir_fd=at)
                at, above = os.open(name, os.O_RDONLY, dir_fd=at), at
                os.close(above)
            os.close(at)
            found = upload.collect(folder)
            self.assertEqual(found.files, [])
            self.assertRegex(found.refused[0][1], "deeper than 64")
            # What made it cannot remove it: the standard library recurses too.
            subprocess.run(["rm", "-rf", os.path.join(folder, "outputs")], check=True)
            os.makedirs(os.path.join(folder, "outputs"))
            for number in range(30):
                os.mkdir(os.path.join(folder, "outputs", "f%d" % number))
            self.addCleanup(setattr, upload, "MOST_ENTRIES", upload.MOST_ENTRIES)
            upload.MOST_ENTRIES = 29
            self.assertEqual(upload.collect(folder).refused, [("outputs", "More than 29 files and folders.")])


class Redactions(unittest.TestCase):
    def test_finds_values_however_the_text_is_cut(self):
        text = "key=hunter2hunter; hunter2! hunt, pass\nphrase."
        expected = "key=[redacted]; [redacted]! hunt, [redacted]."
        for size in range(1, len(text)):
            redaction = Redaction(["hunter2", "pass\nphrase", "hunter2hunter", ""])
            pieces = [text[at:at + size] for at in range(0, len(text), size)]
            shown = "".join([redaction.feed(piece) for piece in pieces] + [redaction.rest()])
            self.assertEqual(shown, expected, size)

    def test_holds_nothing_back_that_cannot_be_a_value(self):
        redaction = Redaction(["secret"])
        self.assertEqual(redaction.feed("plain text\n"), "plain text\n")
        self.assertEqual(redaction.feed("a sec"), "a ")
        self.assertEqual(redaction.feed("ond"), "second")
        self.assertEqual(Redaction([]).feed("x"), "x")


class Answers(unittest.TestCase):
    def request(self, method="POST", path="/score", headers=()):
        return types.SimpleNamespace(command=method, path=path, headers=types.SimpleNamespace(items=lambda: list(headers)))

    def script(self, run):
        import inspect

        return types.SimpleNamespace(
            run=run, takes_raw_http=getattr(run, "takes_raw_http", False), parameters=inspect.signature(run).parameters
        )

    def test_results_become_json_a_string_included(self):
        for result, body in (({"a": 1}, b'{"a": 1}'), ([1], b"[1]"), ("x", b'"x"'), (None, b"null"), (b"x", b"x")):
            self.assertEqual(as_answer(result).body, body)
        with self.assertRaises(TypeError):
            as_answer(object())

    def test_a_response_keeps_its_status_and_loses_headers_that_are_not_its_own(self):
        answer = as_answer(AMLResponse({"a": 1}, 201, {"X-A": "b", "Content-Length": "0"}, json_str=True))
        self.assertEqual((answer.status, answer.body, answer.headers["X-A"]), (201, b'{"a": 1}', "b"))
        self.assertNotIn("Content-Length", answer.headers)
        self.assertEqual(as_answer(AMLResponse("x", 500, run_function_failed=True)).headers["x-ms-run-function-failed"], "True")
        for headers in ({"A": "b\r\nC: d"}, {"A b": "c"}, {"A": "\x00"}, {"": "x"}):
            with self.assertRaises(ValueError):
                as_answer(AMLResponse("x", 200, headers))
        with self.assertRaises(ValueError):
            as_answer(AMLResponse("x", 100))

    def test_arguments(self):
        self.assertEqual(call_run(self.script(lambda data: data), self.request(), None, "ä".encode()), "ä")
        with self.assertRaises(BadArguments):
            call_run(self.script(lambda data: data), self.request(), None, b"\xff")
        take = self.script(lambda data, request_headers: request_headers["x-WHO"])
        self.assertEqual(call_run(take, self.request(headers=[("X-Who", "me")]), None, b""), "me")

    def test_raw_http(self):
        @rawhttp
        def run(request):
            return request.method, request.args, request.get_data(), request.headers.get("a-b"), request.get_json(silent=True)

        handler = self.request("PUT", "/score?x=1&y=", [("A-B", "c")])
        self.assertEqual(call_run(self.script(run), handler, None, b"{}"), ("PUT", {"x": "1", "y": ""}, b"{}", "c", {}))
        self.assertIsNone(AMLRequest("GET", "/", [], b"no").get_json(silent=True))


if __name__ == "__main__":
    unittest.main()
