"""Bringing files in: each is what it is said to be or does not stay, several at a time, and the first that fails ends the rest."""
import functools
import hashlib
import io
import os
import socket
import tempfile
import threading
import unittest

from management import fetch
from management.outcome import SetupFailed
from management.wire import Connection, Refused, Wire


class Response(io.BytesIO):
    pass


class PlayedWire:
    """Answers from a dictionary; says which wire fetched what, and how many were at it at most."""

    def __init__(self, contents, shared=None):
        self.contents = contents
        self.token = "t1"
        self.shared = shared or {"lock": threading.Lock(), "now": 0, "most": 0, "asked": [], "wires": 0, "closed": 0}

    def another(self):
        self.shared["wires"] += 1
        other = PlayedWire(self.contents, self.shared)
        other.token = None
        return other

    def close(self):
        self.shared["closed"] += 1

    def exchange(self, method, url, accept, headers=None, token=None):
        shared = self.shared
        with shared["lock"]:
            shared["now"] += 1
            shared["most"] = max(shared["most"], shared["now"])
            shared["asked"].append((url, token))
        try:
            content = self.contents[url]
            if callable(content):
                content = content()
            return accept(Response(content))
        finally:
            with shared["lock"]:
                shared["now"] -= 1


def entries(contents):
    return [
        {"path": "d/%s" % name, "url": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in contents.items()
    ]


class Folders(unittest.TestCase):
    def bounds(self):
        return fetch.Bounds("input", 100, 1 << 30)

    def test_several_files_come_together_each_by_a_wire_of_its_own_with_the_token_of_the_first(self):
        contents = {"f%d" % n: os.urandom(n * 700_000) for n in range(10)}
        meeting = threading.Barrier(fetch.TOGETHER)

        def met(name):
            # As many as may be at once have to be, or nobody gets on.
            meeting.wait(60)
            return contents[name]

        first = list(contents)[:fetch.TOGETHER]
        wire = PlayedWire(dict(contents, **{name: functools.partial(met, name) for name in first}))
        with tempfile.TemporaryDirectory() as folder:
            fetch.fetch_folder(wire, entries(contents), folder, self.bounds())
            for name, content in contents.items():
                with open(os.path.join(folder, "d", name), "rb") as source:
                    self.assertEqual(source.read(), content)
        self.assertEqual(wire.shared["most"], fetch.TOGETHER)
        self.assertEqual(wire.shared["wires"], wire.shared["closed"])
        self.assertEqual({token for _, token in wire.shared["asked"]}, {"t1"})

    def test_a_failure_ends_the_rest_and_is_what_is_said(self):
        contents = {"f%03d" % n: b"x" for n in range(90)}

        def refuse():
            raise Refused("Strongroom answered 403.", 403)

        wire = PlayedWire(dict(contents, f000=refuse))
        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaisesRegex(SetupFailed, "d/f000 of the input could not be fetched. Strongroom answered 403"):
                fetch.fetch_folder(wire, entries(contents), folder, self.bounds())
            self.assertFalse(os.path.exists(os.path.join(folder, "d", "f000")))
        self.assertEqual(wire.shared["now"], 0, "nobody is left behind")

    def test_what_is_not_what_was_announced_does_not_stay(self):
        for sent, message in ((b"wrong", "announced digest"), (b"too long", "larger than announced"), (b"x", "shorter than announced")):
            for more in ({}, {"f%d" % n: b"y" for n in range(5)}):
                wire = PlayedWire(dict(more, right=sent))
                with tempfile.TemporaryDirectory() as folder:
                    with self.assertRaisesRegex(SetupFailed, message):
                        fetch.fetch_folder(wire, entries(dict(more, right=b"right")), folder, self.bounds())
                    self.assertFalse(os.path.exists(os.path.join(folder, "d", "right")))

    def test_two_entries_for_one_path_are_refused_and_bounds_hold_for_all_of_them(self):
        both = entries({"a": b"1", "b": b"2"})
        both[1]["path"] = both[0]["path"]
        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaisesRegex(SetupFailed, "two entries for one path"):
                fetch.fetch_folder(PlayedWire({"a": b"1", "b": b"2"}), both, folder, self.bounds())
        many = {"f%d" % n: b"12345" for n in range(8)}
        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaisesRegex(SetupFailed, "too large"):
                fetch.fetch_folder(PlayedWire(many), entries(many), folder, fetch.Bounds("input", 100, 39))
            with self.assertRaisesRegex(SetupFailed, "too many files"):
                fetch.fetch_folder(PlayedWire(many), entries(many), folder, fetch.Bounds("input", 7, 1000))


class BrokenOff(unittest.TestCase):
    def test_what_ends_early_is_asked_for_again_and_refused_in_the_end(self):
        for times, message in ((1, None), (9, "shorter than announced")):
            wire, left = Wire(None, 8443, pause=lambda seconds: None), [times]

            def send(*_):
                left[0] -= 1
                response = Response(b"who" if left[0] >= 0 else b"whole")
                response.status = 200
                return response

            wire._send = send
            with tempfile.TemporaryDirectory() as folder:
                given = [{"path": "f", "url": "https://localhost:8443/f", "size": 5, "sha256": hashlib.sha256(b"whole").hexdigest()}]
                if message:
                    with self.assertRaisesRegex(SetupFailed, message):
                        fetch.fetch_folder(wire, given, folder, fetch.Bounds("input", 1, 5))
                    self.assertEqual((left[0], os.listdir(folder)), (times - 5, []))
                else:
                    fetch.fetch_folder(wire, given, folder, fetch.Bounds("input", 1, 5))
                    with open(os.path.join(folder, "f"), "rb") as source:
                        self.assertEqual(source.read(), b"whole")


class ByTheSocket(unittest.TestCase):
    def test_a_connection_goes_to_the_socket_and_one_that_is_refused_leaves_none_open(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "s")
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(path)
                listener.listen()
                opened = []

                class Context:
                    def wrap_socket(self, plain, server_hostname):
                        opened.append((plain, server_hostname))
                        raise OSError("no TLS here")

                with self.assertRaisesRegex(OSError, "no TLS"):
                    connection = Connection("localhost", 8443, path, wire_context())
                    connection._tls = Context()
                    connection.connect()
                ((plain, name),) = opened
                self.assertEqual(name, "localhost", "whose certificate is asked for")
                self.assertEqual(plain.fileno(), -1)
                listener.settimeout(60)
                listener.accept()[0].close()

    def test_another_wire_goes_the_same_way(self):
        self.assertEqual(Wire(None, 8443, socket_path="/s").another()._socket_path, "/s")
        self.assertEqual(Wire(None, 8443, address=("h", 1)).another()._address, ("h", 1))

    def test_a_connection_to_an_address_is_for_the_name_that_was_asked_for(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            asked = []

            class Context:
                def wrap_socket(self, plain, server_hostname):
                    asked.append(server_hostname)
                    return plain

            connection = Connection("strongroom.example", 8443, None, wire_context(), listener.getsockname())
            connection._tls = Context()
            connection.connect()
            self.assertEqual(asked, ["strongroom.example"])
            connection.sock.close()


def wire_context():
    return Wire(None, 8443)._context


if __name__ == "__main__":
    unittest.main()
