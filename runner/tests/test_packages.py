"""The door to the package index, and the folder that a command installs to."""
import asyncio
import os
import socket
import sys
import tempfile
import threading
import unittest
import urllib.parse

from management.index_door import serve
from management.packages import use_packages
from management.pip_wheel import NoPip, fetch_pip, runs_here
from management.root import INTERPRETER


def index(answer):
    """An index of this test, without TLS; answers how to connect to it, and what it was asked."""
    asked = []
    listener = socket.create_server(("127.0.0.1", 0))

    def run():
        while True:
            near, _ = listener.accept()
            head = b""
            while b"\r\n\r\n" not in head:
                head += near.recv(65536)
            asked.append(head.decode("ascii"))
            near.sendall(answer)
            near.close()

    threading.Thread(target=run, daemon=True).start()
    return (lambda: asyncio.open_connection("127.0.0.1", listener.getsockname()[1])), asked


def ask(port, text):
    with socket.create_connection(("127.0.0.1", port), 20) as near:
        near.sendall(text)
        said = b""
        while True:
            more = near.recv(65536)
            if not more:
                return said
            said += more


PARTS = urllib.parse.urlsplit("https://localhost:8443/packages/v1.0/w/jobs/j")
FOUND = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"


class Door(unittest.TestCase):
    def test_hands_on_pages_and_files_with_the_token_as_it_is_then(self):
        connect, asked = index(FOUND)
        tokens = ["first", "second"]
        port = serve(lambda: tokens.pop(0), PARTS, connect)
        for path in ("simple/six/", "files/six/%s/six-1.0-py3-none-any.whl" % ("0" * 64)):
            self.assertEqual(ask(port, b"GET /%s HTTP/1.1\r\nHost: x\r\nAuthorization: Basic eA==\r\n\r\n" % path.encode()), FOUND)
        for head, path, token in zip(asked, ("simple/six/", "files/six/"), ("first", "second")):
            self.assertTrue(head.startswith("GET /packages/v1.0/w/jobs/j/" + path), head)
            self.assertEqual([line for line in head.split("\r\n") if line.startswith("Auth")], ["Authorization: Bearer " + token])
            self.assertIn("Host: localhost:8443\r\n", head)

    def test_is_shut_for_everything_else(self):
        connect, asked = index(FOUND)
        port = serve(lambda: "token", PARTS, connect)
        for line in (
            b"GET /", b"GET /result", b"PUT /simple/six/", b"GET /simple/../result", b"GET /simple/a/b/", b"GET /simple/a/?x", b"GET //simple/a/",
            b"GET /files/six/" + b"0" * 64 + b"/a/b", b"GET http://elsewhere/simple/a/", b"CONNECT elsewhere:443", b"GET /simple/%0d%0aX:%20y/",
            b"GET /simple/" + b"x" * 40000 + b"/",
        ):
            with self.subTest(line=line[:40]):
                self.assertTrue(ask(port, line + b" HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 404 "))
        self.assertEqual(asked, [])

    def test_of_a_server_that_is_away_a_caller_sees_the_end(self):
        def connect():
            raise ConnectionRefusedError("away")

        self.assertEqual(ask(serve(lambda: "token", PARTS, connect), b"GET /simple/six/ HTTP/1.1\r\n\r\n"), b"")


class Packages(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home, self.env = os.path.join(folder.name, "packages"), os.path.join(folder.name, "env")

    def content(self, *parts):
        with open(os.path.join(self.home, *parts)) as source:
            return source.read()

    def test_in_an_image_of_its_own_nothing_is_said_of_its_python(self):
        found = use_packages(self.home, {"PATH": "/bin"}, None, True)
        self.assertEqual(found["PATH"], self.home + "/bin:/bin")
        self.assertEqual(found["PYTHONUSERBASE"], self.home)
        self.assertEqual(os.listdir(self.home), ["bin"])

    def test_without_a_pip_another_program_stands_in_its_place(self):
        use_packages(self.home, {"PATH": "/bin"}, (3, 11), False)
        self.assertIn("bring_pip", self.content("lib", "python3.11", "site-packages", "pip", "__main__.py"))
        self.assertIn("-m pip", self.content("bin", "pip"))

    def test_an_environment_lies_below_what_is_installed_and_its_scripts_see_both(self):
        programs = os.path.join(self.env, "bin")
        os.makedirs(programs)
        for name, text in (("greet", "#!/env/bin/python3.11\nprint(1)\n"), ("other", "#!/bin/sh\n"), ("large", "#!/env/bin/python\n" + "x" * 70000)):
            with open(os.path.join(programs, name), "w") as target:
                target.write(text)
        os.symlink("/etc/passwd", os.path.join(programs, "link"))
        found = use_packages(self.home, {"PATH": "/env/bin:/bin", "VIRTUAL_ENV": "/env"}, (3, 11), True, "/env", self.env)
        self.assertEqual((found["PATH"], found["VIRTUAL_ENV"]), (self.home + "/bin:/env/bin:/bin", self.home))
        self.assertNotIn("PYTHONUSERBASE", found)
        self.assertEqual(sorted(os.listdir(os.path.join(self.home, "bin"))), ["greet", "pip", "python", "python3", "python3.11"])
        self.assertEqual(self.content("bin", "greet"), "#!%s/bin/python\nprint(1)\n" % self.home)
        self.assertEqual(os.readlink(os.path.join(self.home, "bin", "python3")), INTERPRETER)
        self.assertIn("/env/lib/python3.11/site-packages", self.content("lib", "python3.11", "site-packages", "environment.pth"))


class Pip(unittest.TestCase):
    def serve(self, page):
        connect, _ = index(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(page) + page)
        return "http://127.0.0.1:%d/simple/" % serve(lambda: "token", PARTS, connect)

    def test_what_has_not_its_digest_or_lies_elsewhere_is_no_pip(self):
        with tempfile.TemporaryDirectory() as folder:
            for href, words in (
                ("../../files/pip/%s/pip-23.0-py3-none-any.whl#sha256=%s" % ("0" * 64, "0" * 64), "digest"),
                ("https://elsewhere/pip-23.0-py3-none-any.whl#sha256=" + "0" * 64, "somebody else"),
                ("pip-23.0-py3-none-any.whl", "no pip between"),
                ("pip-99.0-py3-none-any.whl#sha256=" + "0" * 64, "no pip between"),
            ):
                with self.subTest(href=href), self.assertRaisesRegex(NoPip, words):
                    fetch_pip(self.serve(b'<a href="%s">pip</a>' % href.encode()), folder)
            self.assertEqual(os.listdir(folder), [])

    def test_what_a_python_must_be_is_read_as_pip_reads_it(self):
        have = "%d.%d" % sys.version_info[:2]
        for text, fits in (("", True), (None, True), (">=3.7", True), (">=%s" % have, True), ("<3", False), (">=3.7,<%s" % have, False), ("~=3.7", False), ("!=%s" % have, False)):
            with self.subTest(text=text):
                self.assertEqual(runs_here(text), fits)


if __name__ == "__main__":
    unittest.main()
