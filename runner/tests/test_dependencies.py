"""Whether the wheels of an image fit the Python that is to import them."""
import os
import tempfile
import unittest

from management.dependencies import FOLDER, dependencies_folder
from management.outcome import SetupFailed


class Dependencies(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.TemporaryDirectory()
        self.addCleanup(self.root.cleanup)

    def wheel(self, name, *tags):
        folder = os.path.join(self.root.name, *FOLDER.split("/"), name + ".dist-info")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "WHEEL"), "w", encoding="utf-8") as target:
            target.write("Wheel-Version: 1.0\n" + "".join("Tag: %s\n" % tag for tag in tags))

    def test_an_image_without_dependencies_has_no_folder(self):
        self.assertIsNone(dependencies_folder(self.root.name, (3, 11)))

    def test_wheels_that_fit_are_taken(self):
        self.wheel("pure-1", "py2-none-any", "py3-none-any")
        self.wheel("exact-1", "cp311-cp311-manylinux_2_17_x86_64")
        self.wheel("stable-1", "cp38-abi3-manylinux_2_17_x86_64")
        self.wheel("bindings-1", "py3-none-manylinux_2_17_x86_64")
        self.wheel("minor-1", "py38-none-any")
        self.assertEqual(dependencies_folder(self.root.name, (3, 11)), os.path.join(self.root.name, *FOLDER.split("/")))

    def test_a_wheel_for_another_python_is_named(self):
        for tag in ("cp312-cp312-manylinux_2_17_x86_64", "cp310-cp310-linux_x86_64", "cp312-abi3-any", "py2-none-any", "pp311-x-any", "odd"):
            self.wheel("scikit_learn-1.5", tag)
            with self.assertRaisesRegex(SetupFailed, "scikit_learn-1.5 is for .* Python 3.11"):
                dependencies_folder(self.root.name, (3, 11))


if __name__ == "__main__":
    unittest.main()
