"""A notebook, run by nbclient: notebook.ipynb has the outputs that its cells must have, in any order."""

import pathlib
import random
import unittest

import nbformat
from nbclient import NotebookClient

NOTEBOOK = pathlib.Path(__file__).with_name("notebook.ipynb")


def outputs(cell):
    """The outputs of a cell without what differs from run to run."""
    kept = ("output_type", "name", "text", "data", "ename", "evalue")
    return [{name: output[name] for name in kept if name in output} for output in cell.outputs]


class NotebookTests(unittest.TestCase):
    def check(self, client, cells, expected, at):
        cell = cells[at]
        cell.outputs = []
        client.execute_cell(cell, at)
        self.assertEqual(outputs(cell), expected[at], cell.source)

    def test_cells_have_their_outputs_in_any_order(self):
        notebook = nbformat.read(NOTEBOOK, as_version=4)
        cells = notebook.cells
        expected = [outputs(cell) for cell in cells]
        client = NotebookClient(notebook, timeout=120, allow_errors=True)
        order = list(range(len(cells)))
        generator = random.Random(13)
        with client.setup_kernel():
            for _ in range(3):
                for at in order:
                    self.check(client, cells, expected, at)
                generator.shuffle(order)
            # A definition that is changed is changed for the cells that are run again.
            changed = next(at for at, cell in enumerate(cells) if "int base = 40;" in cell.source)
            cells[changed].source = cells[changed].source.replace("40", "41")
            self.check(client, cells, expected, changed)
            user = next(at for at, cell in enumerate(cells) if cell.source == "base + 2")
            expected[user][0]["data"]["text/plain"] = "43"
            self.check(client, cells, expected, user)


if __name__ == "__main__":
    unittest.main()
