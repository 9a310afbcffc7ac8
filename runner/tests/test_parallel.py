"""A function over an input in mini-batches: what is tried again, what counts as failed, and what is written."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "parallel.py")


class Parallel(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.TemporaryDirectory()
        self.addCleanup(self.root.cleanup)
        self.code, self.data = os.path.join(self.root.name, "code"), os.path.join(self.root.name, "data")
        os.mkdir(self.code)
        os.mkdir(self.data)
        self.rows = os.path.join(self.root.name, "out", "rows.csv")

    def write(self, path, text):
        path = os.path.join(self.root.name, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as target:
            target.write(text)

    def files(self, count):
        for number in range(count):
            self.write("data/%04d.txt" % number, str(number))

    def run_it(self, script, arguments=(), data=None, **plan):
        self.write("code/entry.py", script)
        whole = dict({"entry": "entry.py", "type": "uri_folder", "size": 2, "workers": 2, "level": "WARNING"}, **plan)
        done = subprocess.run(
            [sys.executable, PROGRAM, json.dumps(whole), data or self.data, self.rows, "--", *arguments],
            cwd=self.code, capture_output=True, text=True, check=False, timeout=120,
        )
        return done.returncode, done.stdout + done.stderr

    def written(self, path=None):
        with open(path or self.rows, encoding="utf-8") as source:
            return source.read().split()

    def test_no_module_of_ours_is_in_the_way_of_the_scripts_own(self):
        self.files(2)
        self.write("code/management/__init__.py", "WORD = 'mine'\n")
        code, said = self.run_it("import management\ndef run(files): return [management.WORD for _ in files]\n")
        self.assertEqual((code, self.written()), (0, ["mine", "mine"]), said)

    def test_every_file_is_given_once_and_rows_come_in_order(self):
        self.files(9)
        script = "import os, sys, time\n\ndef init():\n    global word\n    word = sys.argv[1]\n\ndef run(batch):\n    time.sleep(0.05 * ('0000' in batch[0]))\n    return [word + os.path.basename(one)[:4] for one in batch]\n\ndef shutdown():\n    open('over-%d' % os.getpid(), 'w')\n"
        code, said = self.run_it(script, ["x"])
        self.assertEqual((code, said), (0, ""))
        self.assertEqual(self.written(), ["x%04d" % number for number in range(9)])
        self.assertTrue([name for name in os.listdir(self.code) if name.startswith("over-")])

    def test_rows_go_to_the_file_that_azure_names_where_a_folder_is_said(self):
        self.files(1)
        os.makedirs(self.rows)
        self.assertEqual(self.run_it("def run(batch):\n    return batch\n")[0], 0)
        self.assertEqual(len(self.written(os.path.join(self.rows, "parallel_run_step.txt"))), 1)

    def test_what_raises_dies_or_hangs_is_tried_again_and_then_counted(self):
        self.files(4)
        once = "import os, time\n\ndef run(batch):\n    if not os.path.exists('tried'):\n        open('tried', 'w')\n        %s\n    return batch\n"
        for failing in ("raise ValueError('odd')", "os._exit(7)", "time.sleep(60)", "os.kill(os.getpid(), 9)"):
            with self.subTest(failing):
                if os.path.exists(os.path.join(self.code, "tried")):
                    os.remove(os.path.join(self.code, "tried"))
                code, said = self.run_it(once % failing, workers=1, timeout=2, batchThreshold=0)
                self.assertEqual(code, 0, said)
                self.assertIn("is tried again", said)
                self.assertEqual(len(self.written()), 4)
        always = "def run(batch):\n    raise ValueError('always')\n"
        code, said = self.run_it(always, retries=1, batchThreshold=0)
        self.assertEqual(code, 1)
        self.assertIn("mini_batch_error_threshold is 0", said)
        self.assertIn("ValueError: always", said)
        # Ignored, as where nothing is said.
        self.assertEqual(self.run_it(always, retries=0)[0], 0)
        code, said = self.run_it(always, ["--allowed_failed_percent", "40"], retries=0)
        self.assertEqual(code, 1)
        self.assertIn("allowed_failed_percent is 40", said)

    def test_a_wrong_count_is_told_by_the_items_without_a_result(self):
        self.files(6)
        short = "def run(batch):\n    return batch[:1]\n"
        self.assertEqual(self.run_it(short, batchThreshold=0)[0], 0)
        code, said = self.run_it(short, itemThreshold=2)
        self.assertEqual(code, 1)
        self.assertIn("error_threshold is 2", said)
        self.assertEqual(self.run_it(short, ["--error_threshold=3"])[0], 0)
        self.assertEqual(self.run_it("def run(batch):\n    return batch * 50\n", itemThreshold=0)[0], 0)
        for wrong in ("None", "'text'", "{}", "5", "iter(batch)"):
            code, said = self.run_it("def run(batch):\n    return %s\n" % wrong, batchThreshold=0, retries=0)
            self.assertEqual(code, 1, wrong)
            self.assertIn("returns a list, a tuple or a data frame", said)

    def test_a_script_that_cannot_begin_ends_the_whole_with_its_words(self):
        self.files(2)
        for script, words in (
            ("def run(batch):\n    return batch\n\ndef init():\n    raise ValueError('no model')\n", "no model"),
            ("import os\nos._exit(3)\n", "exit code 3"),
            ("x = 1\n", "no function run"),
            ("def run(:\n", "SyntaxError"),
        ):
            code, said = self.run_it(script)
            self.assertEqual(code, 1, script)
            self.assertIn(words, said)
        code, said = self.run_it("", entry="other.py")
        self.assertIn("other.py is not in the code", said)

    def test_a_script_that_answers_in_the_drivers_place_gains_nothing(self):
        self.files(2)
        forged = "import os\n\ndef run(batch):\n    for fd in range(3, 64):\n        try:\n            os.write(fd, b'{\"done\": 99, \"count\": 1}\\nno json\\n' + b'x' * 200000 + b'\\n')\n        except OSError:\n            pass\n    return batch\n"
        code, said = self.run_it(forged, retries=0, batchThreshold=0)
        self.assertEqual(code, 1)
        self.assertIn("mini-batches have failed", said)

    def test_many_files_one_by_one(self):
        self.files(2000)
        code, said = self.run_it("def run(batch):\n    return batch\n", size=1, workers=4)
        self.assertEqual((code, said), (0, ""))
        self.assertEqual(len(self.written()), 2000)

    def test_of_a_table_the_files_that_it_names_are_given(self):
        for name in ("in/a.png", "in/b.txt", "in/deep/c.png", "d.png"):
            self.write("data/" + name, "x")
        for paths, expected in (
            ("  - folder: ./in\n", ["a.png", "b.txt", "c.png"]),
            ("  - file: d.png\n", ["d.png"]),
            ("  - pattern: ./in/*.png\n", ["a.png"]),
            ("  - pattern: ./**/*.png\n", ["d.png", "a.png", "c.png"]),
        ):
            self.write("data/MLTable", "type: mltable\npaths:\n%stransformations:\n  - read_delimited:\n      delimiter: ','\n" % paths)
            self.assertEqual(self.run_it("import os\n\ndef run(batch):\n    return map_of(batch)\n\ndef map_of(batch):\n    return [os.path.basename(one) for one in batch]\n", type="mltable")[0], 0)
            self.assertEqual(sorted(self.written()), sorted(expected), paths)
        for paths, words in (("  - file: https://x/y\n", "lies beside"), ("  - file: ../x\n", "lies beside"), ("  - query: x\n", "no file, folder or pattern"), ("", "no paths")):
            self.write("data/MLTable", "paths:\n" + paths)
            code, said = self.run_it("def run(batch):\n    return batch\n", type="mltable")
            self.assertEqual(code, 1)
            self.assertIn(words, said)

    def test_a_table_is_split_by_its_size_or_its_keys(self):
        self.write("lib/mltable.py", "import pandas\n\ndef load(path):\n    return Loaded(path)\n\nclass Loaded:\n    def __init__(self, path):\n        self.path = path\n\n    def to_pandas_dataframe(self):\n        return pandas.read_csv(self.path + '/t.csv')\n")
        self.write("data/t.csv", "a,b\n" + "".join("%d,%d\n" % (number % 3, number) for number in range(30)))
        script = "def run(frame, context):\n    frame['k'] = str(context.partition_key_value)\n    frame['n'] = len(frame)\n    return frame\n"
        probe = subprocess.run([sys.executable, "-c", "import pandas"], capture_output=True, check=False)
        if probe.returncode != 0:
            code, said = self.run_it(script, type="table")
            self.assertEqual(code, 1)
            return self.assertIn("read by the package mltable", said)
        os.environ["PYTHONPATH"] = os.path.join(self.root.name, "lib")
        self.addCleanup(os.environ.pop, "PYTHONPATH")
        self.assertEqual(self.run_it(script, type="table", size=60), (0, ""))
        with open(self.rows, encoding="utf-8") as source:
            lines = source.read().splitlines()
        self.assertEqual([line.split(" ")[1] for line in lines], [str(number) for number in range(30)])
        self.assertEqual(self.run_it(script, type="table", keys=["a"]), (0, ""))
        with open(self.rows, encoding="utf-8") as source:
            self.assertEqual(source.read().splitlines()[0], "0 0 \"{'a': 0}\" 10")
        code, said = self.run_it(script, type="table", keys=["none"])
        self.assertEqual(code, 1)
        self.assertIn("no column none", said)

    def test_an_input_with_nothing_in_it_is_no_success(self):
        code, said = self.run_it("def run(batch):\n    return batch\n")
        self.assertEqual(code, 1)
        self.assertIn("nothing in it", said)
        self.files(1)
        for arguments in (["--allowed_failed_percent", "101"], ["--progress_update_timeout", "soon"], ["--error_threshold"]):
            code, said = self.run_it("def run(batch):\n    return batch\n", arguments)
            self.assertEqual(code, 1)
            self.assertIn(arguments[0], said)


if __name__ == "__main__":
    unittest.main()
