"""Layers that are allowed, and rules of the reader that need no sandbox to be seen."""
import gzip
import io
import os
import random
import tarfile
import tempfile
import unittest

from management.outcome import SetupFailed
from management.unpack import Allowance, checked_link, unpack_layer


def entry(name, content=b"", kind=tarfile.REGTYPE, link="", mode=0o755):
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname, info.mode = len(content), kind, link, mode
    return info, content


class Unpack(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.folder = os.path.join(self.temporary.name, "image")
        os.mkdir(self.folder)
        self.layer = os.path.join(self.temporary.name, "layer")

    def unpack(self, *entries, compressed=True, allowance=None, archive_format=tarfile.PAX_FORMAT, is_root=False):
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w", format=archive_format) as archive:
            for info, content in entries:
                archive.addfile(info, io.BytesIO(content))
        with open(self.layer, "wb") as target:
            target.write(gzip.compress(raw.getvalue()) if compressed else raw.getvalue())
        unpack_layer(self.layer, compressed, self.folder, allowance or Allowance(), is_root)

    def read(self, path):
        with open(os.path.join(self.folder, path), "rb") as source:
            return source.read()

    def test_unpacks_files_folders_and_links_that_stay_inside(self):
        self.unpack(
            entry("./", kind=tarfile.DIRTYPE),
            entry("./app/", kind=tarfile.DIRTYPE),
            entry("./app/deep/er/file.txt", b"content"),
            entry("app/soft", kind=tarfile.SYMTYPE, link="deep/er/file.txt"),
            entry("app/deep/up", kind=tarfile.SYMTYPE, link="../deep/er/file.txt"),
            entry("hard", kind=tarfile.LNKTYPE, link="./app/deep/er/file.txt"),
        )
        for path in ("app/deep/er/file.txt", "app/soft", "app/deep/up", "hard"):
            self.assertEqual(self.read(path), b"content")

    def test_reads_uncompressed_layers_and_long_names_of_both_formats(self):
        name = "/".join(["x" * 90] * 4)
        self.unpack(entry(name, b"pax"), compressed=False)
        self.assertEqual(self.read(name), b"pax")
        self.unpack(entry(name, b"gnu"), archive_format=tarfile.GNU_FORMAT)
        self.assertEqual(self.read(name), b"gnu")

    def test_a_later_layer_replaces_a_file_and_does_not_write_through_its_links(self):
        self.unpack(entry("a", b"one"), entry("b", kind=tarfile.LNKTYPE, link="a"), entry("s", kind=tarfile.SYMTYPE, link="a"))
        self.unpack(entry("a", b"two"), entry("s", b"three"))
        self.assertEqual((self.read("a"), self.read("b"), self.read("s")), (b"two", b"one", b"three"))

    def test_drops_set_uid_and_keeps_what_can_be_run(self):
        self.unpack(entry("tool", b"x", mode=0o6777), entry("closed", b"x", mode=0o000))
        self.assertEqual(os.stat(os.path.join(self.folder, "tool")).st_mode & 0o7777, 0o755)
        self.assertEqual(os.stat(os.path.join(self.folder, "closed")).st_mode & 0o7777, 0o600)

    def test_a_hard_link_to_itself_loses_nothing(self):
        self.unpack(entry("a", b"kept"), entry("b", kind=tarfile.LNKTYPE, link="a"), entry("b", kind=tarfile.LNKTYPE, link="a"))
        self.assertEqual(self.read("b"), b"kept")

    def paths(self):
        return sorted(
            os.path.relpath(os.path.join(at, name), self.folder)
            for at, folders, names in os.walk(self.folder)
            for name in folders + names
        )

    def test_a_whiteout_hides_what_earlier_layers_have_and_nothing_of_its_own(self):
        for whiteouts_first in (True, False):
            self.unpack(entry("a/b/lower", b"x"), entry("a/c/lower", b"x"), entry("d", b"x"), entry("e", b"x"))
            hiding = [entry("a/.wh..wh..opq"), entry(".wh.d"), entry(".wh.nothing"), entry("no/where/.wh.x")]
            own = [entry("a/b/own", b"y"), entry("d", b"y")]
            self.unpack(*(hiding + own if whiteouts_first else own + hiding))
            self.assertEqual(self.paths(), ["a", "a/b", "a/b/own", "d", "e"])
            self.assertEqual(self.read("d"), b"y")
            self.unpack(entry(".wh.a"), entry(".wh.d"), entry(".wh.e"))
            self.assertEqual(self.paths(), [])

    def test_a_whiteout_does_not_reach_through_a_link_nor_outside(self):
        kept = os.path.join(self.temporary.name, "kept")
        os.mkdir(kept)
        with open(os.path.join(kept, "file"), "w") as target:
            target.write("x")
        os.symlink(kept, os.path.join(self.folder, "way"))
        self.unpack(entry("way/.wh.file"), is_root=True)
        for name in ("way/.wh..wh..opq", ".wh...", ".wh..", ".wh.", "../.wh.kept", ".wh..wh.plnk", ".wh.a/b"):
            with self.assertRaises(SetupFailed, msg=name):
                self.unpack(entry(name), is_root=True)
        self.assertEqual(os.listdir(kept), ["file"])
        self.unpack(entry(".wh.way"), is_root=True)
        self.assertEqual((os.listdir(kept), self.paths()), (["file"], []))

    def test_a_later_layer_replaces_whatever_an_earlier_one_has(self):
        self.unpack(entry("a/file", b"x"), entry("b", b"x"), entry("c", kind=tarfile.SYMTYPE, link="a"))
        self.unpack(entry("a", b"y"), entry("b/", kind=tarfile.DIRTYPE), entry("c/", kind=tarfile.DIRTYPE), entry("c/in", b"z"))
        self.assertEqual(self.paths(), ["a", "b", "c", "c/in"])
        with self.assertRaisesRegex(SetupFailed, "folder"):
            self.unpack(entry("f", b"x"), entry("f/", kind=tarfile.DIRTYPE))

    def test_a_root_may_hold_links_that_are_absolute_and_nothing_is_written_through_them(self):
        outside = os.path.join(self.temporary.name, "outside")
        os.mkdir(outside)
        link = entry("way", kind=tarfile.SYMTYPE, link=outside)
        with self.assertRaisesRegex(SetupFailed, "absolute"):
            self.unpack(link)
        self.unpack(link, entry("up", kind=tarfile.SYMTYPE, link="../../../.."), is_root=True)
        for through in (entry("way/file", b"x"), entry("hard", kind=tarfile.LNKTYPE, link="way/x")):
            with self.assertRaises(SetupFailed):
                self.unpack(through, is_root=True)
        self.unpack(entry("way", b"replaced"), is_root=True)
        self.assertEqual((os.listdir(outside), self.read("way")), ([], b"replaced"))

    def test_refuses_a_path_that_a_pax_header_hides(self):
        info, content = entry("innocent", b"x")
        info.pax_headers = {"path": "../outside"}
        with self.assertRaisesRegex(SetupFailed, "bad path"):
            self.unpack((info, content))
        self.assertFalse(os.path.exists(os.path.join(self.temporary.name, "outside")))

    def test_bounds_are_shared_by_all_layers(self):
        allowance = Allowance(entries=3)
        self.unpack(entry("a"), entry("b"), allowance=allowance)
        with self.assertRaisesRegex(SetupFailed, "too many"):
            self.unpack(entry("c"), entry("d"), allowance=allowance)
        with self.assertRaisesRegex(SetupFailed, "too large"):
            self.unpack(entry("e", bytes(100000)), allowance=Allowance(total_bytes=50000))

    def test_damaged_archives_are_refused_or_stay_in_the_folder(self):
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for info, content in (
                entry("ä/" * 40 + "long", b"x" * 700),
                entry("soft", kind=tarfile.SYMTYPE, link="ä"),
                entry("hard", kind=tarfile.LNKTYPE, link="ä/" * 40 + "long"),
                entry("folder/", kind=tarfile.DIRTYPE),
            ):
                archive.addfile(info, io.BytesIO(content))
        seed = int(os.environ.get("STRONGROOM_FUZZ_SEED", "20240601"))
        chance = random.Random(seed)
        for round_number in range(200):
            data = bytearray(raw.getvalue())
            for _ in range(chance.randint(1, 6)):
                data[chance.randrange(len(data))] = chance.choice((0, 47, 46, 49, 50, 255, chance.randrange(256)))
            # Half of them with check sums that fit, so that more than the check sum is tried.
            if round_number % 2:
                for at in range(0, len(data) - 511, 512):
                    block = data[at:at + 512]
                    if block[257:262] == b"ustar":
                        block[148:156] = b" " * 8
                        data[at + 148:at + 156] = b"%06o\0 " % sum(block)
            with open(self.layer, "wb") as target:
                target.write(data)
            inner = os.path.join(self.folder, str(round_number))
            os.mkdir(inner)
            try:
                unpack_layer(self.layer, False, inner, Allowance(1000, 1 << 22))
            except SetupFailed:
                pass
            self.assertEqual(sorted(os.listdir(self.temporary.name)), ["image", "layer"], "seed %d" % seed)
            self.assertEqual(set(os.listdir(self.folder)), {str(number) for number in range(round_number + 1)})
            for folder, folders, names in os.walk(inner):
                for name in folders + names:
                    real = os.path.realpath(os.path.join(folder, name))
                    self.assertTrue(real.startswith(inner), "seed %d" % seed)

    def test_link_rule(self):
        for target, depth in (("a", 0), ("./a", 0), ("../a", 1), ("../../a/b", 2), ("..", 1), ("a/b/c", 0)):
            checked_link(target, depth)
        for target, depth in (("/a", 3), ("..", 0), ("../a", 0), ("a/../b", 5), ("../../a", 1), ("a//b", 1), (".", 1), ("", 1)):
            with self.assertRaises((SetupFailed, ValueError), msg=target):
                checked_link(target, depth)


if __name__ == "__main__":
    unittest.main()
