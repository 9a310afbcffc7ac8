"""Beside strongroom_aim, for MLflow's tests of the fluent API and the client: each test gets a fresh workspace's real https address,
certificate and token, where MLflow's own fixture names a database."""

import contextlib
import os

import pytest
from strongroom_aim import BOOT, token, workspace


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session):
    os.environ["MLFLOW_TRACKING_SERVER_CERT_PATH"] = BOOT["caFile"]
    os.environ["MLFLOW_TRACKING_TOKEN"] = token()
    conftest = next(p for p in session.config.pluginmanager.get_plugins() if hasattr(p, "tracking_uri_mock"))
    use_tracking_uri = conftest._use_tracking_uri

    @contextlib.contextmanager
    def use_workspace(_database):
        os.environ["MLFLOW_TRACKING_TOKEN"] = token()
        with workspace() as path, use_tracking_uri(f"{BOOT['url']}{path}"):
            yield

    conftest._use_tracking_uri = use_workspace
