import subprocess
import sys

LAZY = """
import sys
from pathlib import Path
from equitr_coder.settings.layers import load_settings
from equitr_coder.settings.trust import FileTrustStore
home = Path(sys.argv[1])
load_settings(home=home, repo=home, environ={"EQUITR_LLM__MODEL": "m"}, flags={"llm.budget": (1, "b")},
              trust=FileTrustStore(home))
print(sorted({"yaml", "litellm", "httpx", "tiktoken", "sqlite3"} & set(sys.modules)))
"""


def test_without_files_no_yaml_reader_is_loaded(tmp_path: object) -> None:
    done = subprocess.run([sys.executable, "-c", LAZY, str(tmp_path)], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
