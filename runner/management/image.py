"""Fetches an image from Strongroom's registry, by digest, and unpacks it.

Promises that every byte was verified against the digest that the deployment names before anything of it is parsed.
"""
import hashlib
import json
import os
import re

from . import fetch
from .outcome import SetupFailed
from .unpack import Allowance, unpack_layer
from .wire import Refused, read_bounded

MANIFEST_BYTES = 4 * 1024 * 1024
MOST_LAYERS = 128
DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")
REPOSITORY = re.compile(r"^[a-z0-9]+(?:[._/-]+[a-z0-9]+)*$")
MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
#: media type -> whether it is gzip'd
LAYER_TYPES = {
    "application/vnd.oci.image.layer.v1.tar": False,
    "application/vnd.oci.image.layer.v1.tar+gzip": True,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": True,
}


def _layers(manifest):
    layers = manifest.get("layers") if isinstance(manifest, dict) else None
    if not isinstance(layers, list) or not 0 < len(layers) <= MOST_LAYERS:
        raise SetupFailed("The image's manifest must list 1 to %d layers." % MOST_LAYERS)
    for layer in layers:
        if layer.get("mediaType") not in LAYER_TYPES:
            raise SetupFailed("The image has a layer of a type that is not supported.")
        if not DIGEST.match(str(layer.get("digest"))) or not isinstance(layer.get("size"), int) or layer["size"] < 0:
            raise SetupFailed("The image has a layer without a proper digest and size.")
        yield layer


def fetch_image(wire, image, folder, staging):
    """image: {registryUrl, repository, digest}. Unpacks into `folder`, using `staging` for one layer at a time."""
    if not DIGEST.match(image["digest"]) or not REPOSITORY.match(image["repository"]):
        raise SetupFailed("The image must be named by a repository and a sha256 digest.")
    base = "%s/v2/%s" % (image["registryUrl"].rstrip("/"), image["repository"])
    try:
        body = wire.exchange(
            "GET",
            "%s/manifests/%s" % (base, image["digest"]),
            lambda answer: read_bounded(answer, MANIFEST_BYTES),
            {"Accept": ", ".join(MANIFEST_TYPES)},
        )
    except Refused as failure:
        raise SetupFailed("The image's manifest could not be fetched. %s" % failure)
    if "sha256:" + hashlib.sha256(body).hexdigest() != image["digest"]:
        raise SetupFailed("The image's manifest does not have the digest that the deployment names.")
    os.makedirs(folder)
    os.makedirs(staging, exist_ok=True)
    allowance = Allowance()
    bounds = fetch.Bounds("image", MOST_LAYERS, fetch.INPUT_BYTES)
    for layer in _layers(json.loads(body)):
        path = os.path.join(staging, "layer")
        entry = {
            "url": "%s/blobs/%s" % (base, layer["digest"]),
            "size": layer["size"],
            "sha256": layer["digest"].split(":")[1],
        }
        try:
            fetch.download(wire, entry, path, bounds)
        except Refused as failure:
            raise SetupFailed("A layer of the image could not be fetched. %s" % failure)
        unpack_layer(path, LAYER_TYPES[layer["mediaType"]], folder, allowance)
        os.unlink(path)
