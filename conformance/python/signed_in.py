"""Where the server is, and who asks it, for Azure's clients: imported before any of them, which read the variables when they are loaded."""

import logging
import os
import time

import strongroom

URL = strongroom.BOOTSTRAP["url"]
os.environ["REQUESTS_CA_BUNDLE"] = os.environ["SSL_CERT_FILE"] = strongroom.BOOTSTRAP["caFile"]
os.environ["ARM_CLOUD_METADATA_URL"] = f"{URL}/metadata/endpoints?api-version=2019-05-01"
os.environ["AZUREML_CURRENT_CLOUD"] = "Strongroom"

logging.disable(logging.WARNING)

from azure.identity import ClientSecretCredential  # noqa: E402

TENANT = strongroom.BOOTSTRAP["tenantId"]
APPLICATION = strongroom.BOOTSTRAP["application"]
CREDENTIAL = ClientSecretCredential(
    TENANT, APPLICATION["clientId"], APPLICATION["clientSecret"], authority=URL, disable_instance_discovery=True
)
KEY_VAULT_ADMINISTRATOR = "00482a5a-887f-4fb3-b363-3b7fe8e74483"


def ended(client, name, seconds=180):
    """A job of azure-ai-ml, once it has ended."""
    end = time.monotonic() + seconds
    while (read := client.jobs.get(name)).status not in ("Completed", "Failed", "Canceled"):
        assert time.monotonic() < end, f"{name} is {read.status} after {seconds} seconds"
        time.sleep(0.25)
    return read
