"""Paths in a root that somebody else has made lead where they will lead in it, and never out of it."""
import os
import tempfile
import unittest

from management.root import is_program
from management.rooted import Unusable, folder_in, leads_to


class Rooted(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.outside = os.path.join(folder.name, "outside")
        self.root = os.path.join(folder.name, "root")
        os.makedirs(os.path.join(self.root, "usr/bin"))
        os.mkdir(self.outside)
        with open(os.open(os.path.join(self.root, "usr/bin/sh"), os.O_WRONLY | os.O_CREAT, 0o755), "w") as target:
            target.write("#!\n")

    def link(self, at, target):
        os.symlink(target, os.path.join(self.root, at))

    def place(self, path):
        return os.path.join(self.root, path)

    def test_links_are_followed_as_in_the_root_and_not_as_here(self):
        self.link("bin", "/usr/bin")
        self.link("sh", "bin/../bin/./sh")
        self.link("above", "../../../../usr")
        self.assertEqual(leads_to(self.root, "/bin/sh"), self.place("usr/bin/sh"))
        self.assertEqual(leads_to(self.root, "/sh"), self.place("usr/bin/sh"))
        self.assertEqual(folder_in(self.root, "/above/bin"), self.place("usr/bin"))
        self.assertTrue(is_program(self.root, "/sh"))

    def test_a_link_out_of_the_root_leads_to_a_place_in_it(self):
        self.link("escape", self.outside)
        self.assertIsNone(leads_to(self.root, "/escape"))
        made = folder_in(self.root, "/escape/in")
        self.assertTrue(made.startswith(self.root + "/"), made)
        self.assertEqual(os.listdir(self.outside), [])

    def test_what_leads_to_nothing_is_no_program_and_no_folder(self):
        self.link("round", "other")
        self.link("other", "round")
        for path in ("/round", "/usr/bin/sh/more", "/usr/bin/sh/..", "/usr/bin", "/none", "/" + "n" * 300):
            self.assertFalse(is_program(self.root, path), path)
        for path in ("/round", "/usr/bin/sh", "/usr/bin/sh/more", "/" + "n" * 300):
            with self.assertRaises(Unusable, msg=path):
                folder_in(self.root, path)
        self.assertIsNone(folder_in(self.root, "/usr/bin/sh", make=False))
        self.assertIsNone(folder_in(self.root, "/none", make=False))


if __name__ == "__main__":
    unittest.main()
