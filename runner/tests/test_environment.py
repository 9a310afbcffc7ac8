import os
import sys
import tempfile
import unittest

from management.environment import python_of_document, use_environment
from management.job import why_it_failed
from management.outcome import SetupFailed
from management.root import HOME, INTERPRETER, lead_to_interpreter


class Environment(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = os.path.join(folder.name, "env")

    def make(self, settings):
        os.makedirs(os.path.join(self.folder, "bin"))
        with open(os.path.join(self.folder, "pyvenv.cfg"), "w") as target:
            target.write(settings)

    def test_an_image_without_one_changes_nothing(self):
        self.assertEqual(use_environment((3, 11), self.folder), {})

    def test_what_it_runs_on_is_what_the_document_names_and_else_the_nodes_own(self):
        self.assertEqual(python_of_document({"python": "3.8"}), (3, 8))
        self.assertEqual(python_of_document({}), sys.version_info[:2])

    def test_its_programs_come_first_and_its_python_and_home_are_those_of_the_sandbox(self):
        # As they were written when an interpreter could be nowhere but below /usr.
        self.make("home = /usr/bin\ninclude-system-site-packages = true\nversion = 3.11\n")
        # What an image brings in the place of an interpreter gives way.
        with open(os.path.join(self.folder, "bin", "python3"), "w") as target:
            target.write("#!/bin/sh\n")
        used = use_environment((3, 11), self.folder)
        self.assertTrue(used["PATH"].startswith("/env/bin:"))
        for name in ("python", "python3", "python3.11"):
            self.assertEqual(os.readlink(os.path.join(self.folder, "bin", name)), INTERPRETER)
        with open(os.path.join(self.folder, "pyvenv.cfg")) as source:
            self.assertEqual(source.read(), "home = %s\ninclude-system-site-packages = true\nversion = 3.11\n" % HOME)

    def test_one_of_another_python_is_not_used(self):
        above = os.path.dirname(self.folder)
        for number, settings in enumerate(("version = 3.9\n", "", "version = 3.110\n", "xversion = 3.11\n")):
            with self.subTest(settings=settings):
                self.folder = os.path.join(above, str(number))
                self.make(settings)
                with self.assertRaisesRegex(SetupFailed, "was to run on 3.11"):
                    use_environment((3, 11), self.folder)

    def test_one_unpacked_for_every_sandbox_leads_to_the_interpreter_of_each_and_is_only_read(self):
        self.make("version = 3.11\n")
        lead_to_interpreter(self.folder)
        for name in ("python", "python3", "python3.11"):
            self.assertEqual(os.readlink(os.path.join(self.folder, "bin", name)), INTERPRETER)
        use_environment((3, 11), self.folder)
        self.assertEqual(os.readlink(os.path.join(self.folder, "bin", "python")), INTERPRETER)

    def test_settings_are_read_through_no_link(self):
        self.make("")
        os.unlink(os.path.join(self.folder, "pyvenv.cfg"))
        with open(os.path.join(self.folder, "other"), "w") as target:
            target.write("version = 3.11\n")
        os.symlink("other", os.path.join(self.folder, "pyvenv.cfg"))
        with self.assertRaises(OSError):
            use_environment((3, 11), self.folder)


class Why(unittest.TestCase):
    def test_what_is_said_about_a_failure_is_short_plain_and_no_other_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "why")
            self.assertIsNone(why_it_failed(path))
            with open(path, "wb") as target:
                target.write(b"pip: no\x1b[31m \xff" + b"x" * 5000)
            said = why_it_failed(path)
            self.assertTrue(said.startswith("pip: no [31m"))
            self.assertLessEqual(len(said), 1000)
            os.unlink(path)
            os.symlink("/etc/hostname", path)
            self.assertIsNone(why_it_failed(path))
            os.unlink(path)
            os.mkfifo(path)
            self.assertIsNone(why_it_failed(path))


if __name__ == "__main__":
    unittest.main()
