import pytest
from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.planning.file_tree import MOST, missing_paths, named_paths

DRAWN = """# Design

## 1. Architecture
The tree:

```
shop/
├── docs/
│   └── requirements.md
├── infrastructure/          # compose files
│   └── docker-compose.yml
├── services/
│   ├── users/
│   │   └── app.py           (the API)
│   └── cart/
│       └── app.py
├── frontend/
│   └── src
│       └── index.html
├── tests/
│   └── ...
└── README.md
```

Users live in `services/users/app.py`; the answer is `application/json` at `/users/{id}`, made by `json.dumps`.
"""
FILES = (
    "README.md",
    "docs/requirements.md",
    "infrastructure/docker-compose.yml",
    "services/users/app.py",
    "services/cart/app.py",
    "frontend/src/index.html",
    "tests/test_shop.py",
)


def names(design: str) -> tuple[str, ...]:
    return tuple(named.path for named in named_paths(design))


def test_a_drawn_tree_names_its_folders_and_files_below_the_repositorys_own_name() -> None:
    assert names(DRAWN) == (
        "docs/",
        "docs/requirements.md",
        "infrastructure/",
        "infrastructure/docker-compose.yml",
        "services/",
        "services/users/",
        "services/users/app.py",
        "services/cart/",
        "services/cart/app.py",
        "frontend/",
        "frontend/src/",
        "frontend/src/index.html",
        "tests/",
        "README.md",
    )


def test_a_repository_with_everything_lacks_nothing() -> None:
    assert missing_paths(DRAWN, FILES) == ()


def test_what_is_missing_is_named_once_by_its_outermost_folder() -> None:
    files = [path for path in FILES if not path.startswith(("services/cart", "frontend")) and path != "README.md"]

    assert missing_paths(DRAWN, files) == ("services/cart/", "frontend/", "README.md")


def test_the_root_of_a_tree_may_be_a_folder_of_the_repository() -> None:
    design = "```\nsrc/\n├── app.py\n└── db.py\n```\n"

    assert missing_paths(design, ["src/app.py", "src/db.py"]) == ()
    assert missing_paths(design, ["app.py", "db.py"]) == ()
    assert missing_paths(design, ["src/app.py"]) == ("db.py",)


def test_an_indented_list_of_names_is_a_tree_too() -> None:
    design = "```text\nsrc/\n  shop/\n    orders.py\n  cli.py\ntests/\n  test_*.py\n```\n"

    assert names(design) == (
        "src/",
        "src/shop/",
        "src/shop/orders.py",
        "src/cli.py",
        "tests/",
        "tests/test_*.py",
    )
    assert missing_paths(design, ["src/shop/orders.py", "src/cli.py", "tests/test_orders.py"]) == ()
    assert missing_paths(design, ["src/shop/orders.py", "src/cli.py", "tests/conftest.py"]) == ("tests/test_*.py",)


@pytest.mark.parametrize(
    "text",
    [
        "```python\nclass Order:\n    total: int\n```",
        "```\nGET /orders/\n  -> 200\n```",
        '```json\n{\n  "path/": 1\n}\n```',
        "Use `application/json`, `GET /users`, `and/or`, `../x.py`, `/etc/passwd`, `src/<name>.py`, `a.b.c()`.",
        "| column | type |\n|---|---|\n| id | int |",
        "- a list\n  - with a `word`\n",
        "",
    ],
)
def test_what_is_no_path_beyond_doubt_is_not_named(text: str) -> None:
    assert names(text) == ()


def test_paths_in_words_are_named() -> None:
    assert names("Orders: `shop/orders.py`, `./shop/db/` and `shop/*.sql`.") == (
        "shop/orders.py",
        "shop/db/",
        "shop/*.sql",
    )


def test_a_long_list_is_cut_with_its_rest_counted() -> None:
    design = " ".join(f"`folder{number}/`" for number in range(MOST + 3))

    assert missing_paths(design, [])[-1] == "and 3 more"


@given(st.text(alphabet="ab/.├─└│ `*\n#", max_size=60))
def test_whatever_is_named_is_missing_from_nothing_that_has_it(design: str) -> None:
    named = names(design)

    assert missing_paths(design, [path.rstrip("/") for path in named]) == ()
    assert all(path and not path.startswith("/") for path in named)
