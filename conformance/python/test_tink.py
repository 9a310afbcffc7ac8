"""Tink's own implementation opens what is sealed here, and what it seals opens here: blobs can be read without us.

Tink's AES-GCM-HKDF streaming AEAD, as ADR 0006 has it. No server is asked; the sealing code itself runs, in its own process.
"""

import io
import os
import subprocess
import unittest
from pathlib import Path

import tink
from tink import cleartext_keyset_handle, streaming_aead
from tink.proto import aes_gcm_hkdf_streaming_pb2, common_pb2, tink_pb2

HARNESS = Path(__file__).parent.parent / "harness" / "stream.ts"
ASSOCIATED_DATA = [b"", '["strongroom-blob","id","container","ein Blatt","uuid"]'.encode(), bytes(3000)]


def of_ours(what, segment, key, associated_data, content):
    """Runs our side. Returns what it wrote, or None where it refused."""
    line = ["node", "--disable-warning=ExperimentalWarning", str(HARNESS), what, str(segment), key.hex(), associated_data.hex()]
    done = subprocess.run(line, input=content, capture_output=True, timeout=60)
    return done.stdout if done.returncode == 0 else None


def of_tink(segment, key):
    """Tink's side with the very key: a keyset of one, without a prefix."""
    parameters = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingParams(
        ciphertext_segment_size=segment, derived_key_size=32, hkdf_hash_type=common_pb2.SHA256
    )
    message = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingKey(version=0, params=parameters, key_value=key)
    keyset = tink_pb2.Keyset(
        primary_key_id=1,
        key=[
            tink_pb2.Keyset.Key(
                key_data=tink_pb2.KeyData(
                    type_url="type.googleapis.com/google.crypto.tink.AesGcmHkdfStreamingKey",
                    value=message.SerializeToString(),
                    key_material_type=tink_pb2.KeyData.SYMMETRIC,
                ),
                status=tink_pb2.ENABLED,
                key_id=1,
                output_prefix_type=tink_pb2.RAW,
            )
        ],
    )
    reader = tink.BinaryKeysetReader(keyset.SerializeToString())
    return cleartext_keyset_handle.read(reader).primitive(streaming_aead.StreamingAead)


class KeptOpen(io.BytesIO):
    """Tink closes where it writes to; what was written is wanted after that."""

    def close(self):
        pass


def sealed_by_tink(aead, content, associated_data):
    written = KeptOpen()
    with aead.new_encrypting_stream(written, associated_data) as stream:
        stream.write(content)
    return written.getvalue()


def opened_by_tink(aead, sealed, associated_data):
    with aead.new_decrypting_stream(io.BytesIO(sealed), associated_data) as stream:
        return stream.read()


class Streams(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        streaming_aead.register()

    def test_each_opens_what_the_other_sealed(self):
        # The header takes 40 bytes of the first segment, a tag 16 of each: sizes on and around every boundary.
        for segment, around in ((4096, 4096), (1048576, 1048576)):
            sizes = [0, 1, around - 57, around - 56, around - 55, 2 * around - 72, 2 * around - 71, 3 * around + 5]
            key = os.urandom(32)
            aead = of_tink(segment, key)
            for number, size in enumerate(sizes):
                associated_data = ASSOCIATED_DATA[number % len(ASSOCIATED_DATA)]
                content = os.urandom(size)
                with self.subTest(segment=segment, size=size):
                    ours = of_ours("seal", segment, key, associated_data, content)
                    self.assertEqual(opened_by_tink(aead, ours, associated_data), content)
                    theirs = sealed_by_tink(aead, content, associated_data)
                    self.assertEqual(len(ours), len(theirs))
                    self.assertEqual(of_ours("open", segment, key, associated_data, theirs), content)

    def test_each_refuses_what_was_changed_moved_or_cut(self):
        segment, key = 4096, os.urandom(32)
        aead = of_tink(segment, key)
        content = os.urandom(3 * segment)
        sealed = of_ours("seal", segment, key, b"place", content)
        flipped = bytearray(sealed)
        flipped[segment + 7] ^= 1
        swapped = sealed[:segment] + sealed[2 * segment : 3 * segment] + sealed[segment : 2 * segment] + sealed[3 * segment :]
        for what, changed, associated_data in (
            ("a flipped bit", bytes(flipped), b"place"),
            ("segments in another order", swapped, b"place"),
            ("cut at a segment's end", sealed[: 2 * segment], b"place"),
            ("another place", sealed, b"elsewhere"),
        ):
            with self.subTest(what):
                self.assertIsNone(of_ours("open", segment, key, associated_data, changed))
                with self.assertRaises(Exception):
                    opened_by_tink(aead, changed, associated_data)


if __name__ == "__main__":
    unittest.main()
