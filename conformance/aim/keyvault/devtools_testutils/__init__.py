"""Stands in for the recorder that the own tests of Azure's clients for Python import: nothing is recorded or played back, every
test asks the server that the environment names. Our own code; only the names are theirs."""

import asyncio
import functools
import hashlib
import os
import uuid

import pytest

_SALT = uuid.uuid4().hex


def is_live():
    return True


def recorded_by_proxy(test):
    """The recorder hands its variables on by keyword; the tests take them as such."""

    @functools.wraps(test)
    def run(*args, **more):
        return test(*args, **more)

    return run


def _nothing(*_args, **_more):
    """What is said to the recorder about hiding values."""


def __getattr__(name):
    if name.startswith(("add_", "remove_", "set_")):
        return _nothing
    raise AttributeError(name)


@pytest.fixture(scope="session")
def test_proxy():
    return None


def pytest_configure(config):
    config.addinivalue_line("markers", "playback_test_only(why): cannot ask a server")


def pytest_runtest_setup(item):
    if item.get_closest_marker("playback_test_only"):
        pytest.skip("is for played back answers only")


class AzureRecordedTestCase:
    is_live = True
    in_recording = False

    def get_resource_name(self, name):
        """The same within a test, another one in each run."""
        test = os.environ.get("PYTEST_CURRENT_TEST", "").split(" ")[0]
        return name + hashlib.sha256(f"{_SALT}{test}{name}".encode()).hexdigest()[:12]

    def get_credential(self, _client_class, is_async=False, **more):
        if is_async:
            from azure.identity.aio import ClientSecretCredential
        else:
            from azure.identity import ClientSecretCredential
        return ClientSecretCredential(
            os.environ["AIM_TENANT"],
            os.environ["AIM_CLIENT"],
            os.environ["AIM_SECRET"],
            authority=os.environ["AIM_AUTHORITY"],
            disable_instance_discovery=True,
            **more,
        )

    def create_client_from_credential(self, client_class, credential, **more):
        return client_class(credential=credential, **{"logging_enable": True, **more})

    @staticmethod
    def await_prepared_test(test):
        @functools.wraps(test)
        def run(*args, **more):
            return asyncio.run(test(*args, **more))

        return run
