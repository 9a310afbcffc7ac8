"""The scoring server on its socket, byte by byte: what its callers see before any HTTP library of theirs has looked at it."""
import json
import os
import socket
import sys
import tempfile
import threading
import unittest

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "compat"))

from management.scoring_http import as_answer, description, Server  # noqa: E402


class Echo:
    ready = True
    takes_raw_http = False
    methods = ("GET", "POST", "OPTIONS")
    called = "run() of the scoring script"
    description = staticmethod(description)
    app_root = "/"

    @staticmethod
    def answer(handler, target, body):
        return as_answer(body.decode("utf-8"))


class ScoringServer(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, "s")
        server = Server(path, Echo(), 1, 1000)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.caller = socket.socket(socket.AF_UNIX)
        self.addCleanup(self.caller.close)
        self.caller.settimeout(10)
        self.caller.connect(path)

    def test_head_and_body_of_an_answer_arrive_in_one_piece(self):
        for _ in range(3):
            self.caller.sendall(b"POST /score HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
            piece = self.caller.recv(65536)
            self.assertTrue(piece.startswith(b"HTTP/1.1 200 "), piece)
            self.assertTrue(piece.endswith(b'\r\n\r\n"{}"'), piece)

    def test_who_asks_whether_to_send_the_body_is_told_before_he_does(self):
        self.caller.sendall(b"POST /score HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        self.assertEqual(self.caller.recv(65536), b"HTTP/1.1 100 Continue\r\n\r\n")
        self.caller.sendall(b"{}")
        self.assertTrue(self.caller.recv(65536).endswith(b'"{}"'))

    def test_a_script_that_brings_no_schema_is_described_all_the_same(self):
        for version, key, word in (("2", "swagger", "2.0"), ("3", "openapi", "3.0.3")):
            self.caller.sendall(b"GET /swagger.json?version=%s HTTP/1.1\r\n\r\n" % version.encode())
            head, _, body = self.caller.recv(65536).partition(b"\r\n\r\n")
            self.assertTrue(head.startswith(b"HTTP/1.1 200 "), head)
            told = json.loads(body)
            self.assertEqual(told[key], word)
            self.assertEqual(list(told["paths"]), ["/score"])


if __name__ == "__main__":
    unittest.main()
