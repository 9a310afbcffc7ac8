"""The token is renewed before it ends, once for all threads, and goes to the tracking server alone. No server is needed."""

import base64
import json
import os
import sys
import threading
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).parent))
import strongroom_mlflow as plugin  # noqa: E402


def token(number, ends):
    payload = base64.urlsafe_b64encode(json.dumps({"exp": ends, "n": number}).encode()).decode().rstrip("=")
    return f"h.{payload}.s"


class Server:
    """Gives a token of an hour, counts, and can be away."""

    def __init__(self, lasts=3600):
        self.now, self.asked, self.away, self.lasts = 1_000_000.0, 0, False, lasts

    def __call__(self):
        self.asked += 1
        if self.away:
            raise plugin.SignInNeeded("away")
        return token(self.asked, self.now + self.lasts)

    def tokens(self):
        return plugin.Tokens(self, lambda: self.now)


class Request:
    def __init__(self, url):
        self.url, self.headers = url, {}


class Renewal(unittest.TestCase):
    def test_a_run_of_days_is_never_without_a_token_that_holds(self):
        server = Server()
        tokens = server.tokens()
        for _ in range(3 * 24 * 60):
            self.assertGreater(plugin.expiry_of(tokens.current()), server.now)
            server.now += 60
        self.assertLess(server.asked, 3 * 24 * 1.2)

    def test_threads_share_one_renewal(self):
        server = Server()
        tokens = server.tokens()
        threads = [threading.Thread(target=tokens.current) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(server.asked, 1)

    def test_what_is_away_for_a_while_does_no_harm_while_the_token_holds(self):
        server = Server()
        tokens = server.tokens()
        first = tokens.current()
        server.away, server.now = True, server.now + 3400
        for _ in range(10):
            self.assertEqual(tokens.current(), first)
        self.assertEqual(server.asked, 2, "not with every request")
        server.now += plugin.RETRY_SECONDS
        server.away = False
        self.assertNotEqual(tokens.current(), first)

    def test_a_sign_in_that_has_ended_is_told(self):
        server = Server()
        tokens = server.tokens()
        tokens.current()
        server.away, server.now = True, server.now + 4000
        with self.assertRaises(plugin.SignInNeeded):
            tokens.current()

    def test_short_tokens_are_not_renewed_with_every_request(self):
        server = Server(lasts=60)
        tokens = server.tokens()
        for _ in range(600):
            self.assertGreater(plugin.expiry_of(tokens.current()), server.now)
            server.now += 1
        self.assertLess(server.asked, 20)

    def test_what_is_no_token_ends_at_once(self):
        for text in ("", "x", "a.b.c", "a.e30.c", "a." + "é" + ".c", "...."):
            self.assertEqual(plugin.expiry_of(text), 0.0)


class Sending(unittest.TestCase):
    def setUp(self):
        patched = mock.patch.dict(os.environ, {"MLFLOW_TRACKING_URI": "https://localhost:8443/mlflow/v1.0/x"})
        patched.start()
        self.addCleanup(patched.stop)
        self.auth = plugin.BearerAuth(Server().tokens())

    def test_the_token_goes_to_the_tracking_server_alone(self):
        self.assertTrue(self.auth(Request("https://localhost:8443/mlflow/v1.0/x/api")).headers["Authorization"].startswith("Bearer h."))
        for url in (
            "http://localhost:8443/x",
            "https://localhost:8444/x",
            "https://localhost.evil.example:8443/x",
            "https://localhost:8443@evil.example/x",
            "https://evil.example/?https://localhost:8443",
            "https://[",
        ):
            self.assertNotIn("Authorization", self.auth(Request(url)).headers, url)

    def test_the_command_line_is_asked_without_a_shell(self):
        script = "import sys; print('h.e30.s') if sys.argv[1:] == ['token', '--audience', 'a; b'] else sys.exit('no: %s' % sys.argv)"
        with mock.patch.dict(os.environ, {"STRONGROOM_CLI": f"{sys.executable} -c \"{script}\"", "STRONGROOM_TOKEN_AUDIENCE": "a; b"}):
            self.assertEqual(plugin.ask_command_line(), "h.e30.s")
        with mock.patch.dict(os.environ, {"STRONGROOM_CLI": f"{sys.executable} -c \"raise SystemExit('sign in')\""}):
            with self.assertRaisesRegex(plugin.SignInNeeded, "sign in"):
                plugin.ask_command_line()
        with mock.patch.dict(os.environ, {"STRONGROOM_CLI": "/nowhere/at/all"}), self.assertRaisesRegex(plugin.SignInNeeded, "STRONGROOM_CLI"):
            plugin.ask_command_line()

    def test_mlflow_finds_it_by_name(self):
        self.assertEqual(plugin.StrongroomAuth().get_name(), "strongroom")
        self.assertTrue(callable(plugin.StrongroomAuth().get_auth()))


if __name__ == "__main__":
    unittest.main()
