"""One entry out of a table of thousands, without parsing the rest."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from equitr_coder.adapters.prices.data_file import DataFile

ODD = """{
    "plain": {"input_cost_per_token": 1e-6, "model": {"nested": {"input_cost_per_token": 5}}},
"left": {
        "input_cost_per_token": 2e-6
    },
    "twice": {"input_cost_per_token": 1},
    "twice": {"input_cost_per_token": 2},
    "quo\\"ted": {"input_cost_per_token": 3}
}
"""


@pytest.mark.parametrize("layout", ["as it comes", "one line", "no indent"])
@pytest.mark.parametrize("name", ["plain", "left", "twice", 'quo"ted', "nested", "model", "input_cost_per_token", "x"])
def test_an_entry_is_what_reading_the_whole_table_gives(tmp_path: Path, layout: str, name: str) -> None:
    table = json.loads(ODD, parse_float=Decimal)
    path = tmp_path / "table.json"
    texts = {"as it comes": ODD, "one line": json.dumps(json.loads(ODD)), "no indent": ODD.replace("\n    ", "\n")}
    path.write_text(texts[layout])

    assert DataFile(path, source="t").entry(name) == table.get(name)


def test_every_hundredth_entry_of_the_installed_table_is_found_as_it_stands() -> None:
    installed = DataFile.installed()
    assert installed.source.startswith("litellm 1.")
    table = json.loads(installed._data, parse_float=Decimal)

    for name in list(table)[::100]:
        assert installed.entry(name) == table[name], name
