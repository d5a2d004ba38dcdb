import pytest

from equitr_coder.domain.epic import Task
from equitr_coder.domain.ids import TaskId
from equitr_coder.planning.size import is_complex, is_critical, judge, weigh

SMALL = [
    "hello",
    "thanks!",
    "fix typo in README",
    "fix typo",
    "Fix the spelling of 'recieve' in the login page",
    "add a --version flag",
    "add a --json option to the list command",
    "rename function x to y in a.py",
    "rename the whole package from foo to bar",
    "write a docstring for parse()",
    "add comments to the authentication module",
    "Update the README of the REST API",
    "update the changelog",
    "bump the version to 1.2.0",
    "remove unused imports in src/app.py",
    "fix the crash in the dashboard when the list is empty",
    "fix the failing test in tests/test_auth.py",
    "What does the scheduler do?",
    "why is the REST API slow?",
    "explain the authentication flow",
    "how do I run the platform locally?",
    "create a function that adds two numbers",
    "add a button to the dashboard",
    "add a column `email` to the users table",
    "change the error message in cli.py to say which file",
    "make the timeout configurable in config.yaml",
    "Optimize this slow Python function that's processing large datasets",
    "add type hints to utils.py",
    "sort the output of `ls` by name",
    "write a unit test for the date parser",
    "just print the total at the end",
    "",
]
LARGE = [
    "Create a REST API with proper error handling",
    "Create a REST API…",
    "Design a scalable microservice architecture",
    "Design a RESTful API for a user management system with authentication, rate limiting, and proper error handling",
    "Create a scalable database schema for an e-commerce platform with products, orders, users, and inventory tracking",
    "Build user authentication",
    "I want to create a complete e-commerce platform with microservices architecture",
    "Design a caching layer for a high-traffic web application",
    "build a todo app with a React frontend and a Postgres backend",
    "Build a chat application",
    "implement OAuth2 login with Google and GitHub",
    "migrate the whole codebase from Flask to FastAPI",
    "rewrite the backend in Rust",
    "refactor the entire project to use async",
    "Perform a security review of the project",
    "Create a REST API with tests and a README",
    "design a GraphQL schema and implement the server",
    "Build a dashboard with live metrics",
    "create a multi-tenant SaaS with payments",
    "set up a CI/CD pipeline, Helm charts, and monitoring for all services on Kubernetes",
    "Please do these:\n- add login\n- add logout\n- add a profile page",
    "1. parse the file\n2. store it\n3. show a report",
    "word " * 81,
    "fix " * 81,
]


@pytest.mark.parametrize("request_text", SMALL)
def test_a_small_request_goes_straight_to_one_worker(request_text: str) -> None:
    assert judge(request_text) == "small", weigh(request_text)


@pytest.mark.parametrize("request_text", LARGE)
def test_a_large_request_is_planned(request_text: str) -> None:
    assert judge(request_text) == "large", weigh(request_text)


def test_the_weight_of_a_request_is_explained() -> None:
    assert weigh("Build user authentication") == (3, ("asks for something new", "user accounts"))
    assert weigh("- a\n- b\n- c") == (3, ("3 points",))


CRITICAL = [
    "Build user authentication",
    "store password hashes",
    "Refresh tokens for sessions",
    "escape user input against SQL injection",
    "Define the REST contract",
    "Write the database schema",
    "openapi description",
    "role-based access control",
    "rotate the api keys",
    "Integrate payment gateway",
]
ORDINARY = [
    "Write the README",
    "Build the user interface",
    "Count the tokens of a prompt",
    "Draw the author page",
    "Keep the session open while typing",
    "improve the command-line interface help",
    "Sort the list of books",
]


@pytest.mark.parametrize("text", CRITICAL)
def test_security_and_contract_work_is_critical(text: str) -> None:
    assert is_critical(text)


@pytest.mark.parametrize("text", ORDINARY)
def test_other_work_is_not_critical(text: str) -> None:
    assert not is_critical(text)


@pytest.mark.parametrize(
    ("fields", "is_expected"),
    [
        ({"critical": True}, True),
        ({"type": "security"}, True),
        ({"specialization": "Security"}, True),
        ({"type": "contract"}, True),
        ({"todos": ("Hash the passwords",)}, True),
        ({"description": "Uses the access_token of the user."}, True),
        ({"description": "Sorts books."}, False),
    ],
)
def test_a_task_is_critical_by_mark_type_or_words(fields: dict[str, object], is_expected: bool) -> None:
    task = Task.model_validate({"id": TaskId("T1"), "title": "Books", **fields})

    assert is_critical(task) is is_expected


@pytest.mark.parametrize(
    ("words", "is_planned", "critical", "complex_"),
    [
        ("Design microservices for a shop with orders and stock", False, False, True),
        ("fix typo in README", False, False, False),
        ("fix typo in README", False, True, False),
        ("Design microservices for a shop with orders and stock", True, False, False),
        ("Design microservices for a shop with orders and stock", True, True, True),
        ("Write t1.txt with one word", True, True, False),
    ],
)
def test_a_task_is_complex_by_its_words_and_a_planned_one_by_the_plans_mark_too(
    words: str, is_planned: bool, critical: bool, complex_: bool
) -> None:
    task = Task(id=TaskId("T1"), title=words[:20], description=words, critical=critical)

    assert is_complex(task, is_planned=is_planned) == complex_
