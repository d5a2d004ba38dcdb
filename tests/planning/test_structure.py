from collections.abc import Callable

import pytest

from equitr_coder.planning.services import Edge, read_edges, read_services, unknown_dependencies
from equitr_coder.planning.structure import design_problems, requirements_problems

REQUIREMENTS = """\
# Notes: requirements

## 1. Overview
A place for notes.

## 2. Features
### 2.1 Notes
- R1 Create a note

## 3. Non-functional requirements
- Fast
"""

DESIGN = """\
# Notes: design

## 1. Architecture
One process, Redis as cache.

## 2. Services
### Note Service
- **Database**: SQLite
- **Endpoints**: /notes
- **Dependencies**: Tag Service, Redis

### Tag Service
- **Database**: SQLite
- **Endpoints**: /tags
- **Dependencies**: None (core)

## 3. Deployment
One container.
"""


def without(heading: str, text: str) -> str:
    assert heading in text
    head, _, tail = text.partition(heading)
    return head + tail[tail.index("\n## ") + 1 :] if "\n## " in tail else head


# ---------------------------------------------------------------- requirements


def test_the_sample_documents_have_everything(sample: Callable[[str], str]) -> None:
    assert requirements_problems(sample("requirements")) == ()
    assert design_problems(sample("design")) == ()


@pytest.mark.parametrize(
    ("heading", "subject"),
    [("## 1. Overview", "overview"), ("## 2. Features", "features"), ("## 3. Non-f", "non-functional requirements")],
)
def test_a_missing_section_of_the_requirements_is_named(heading: str, subject: str) -> None:
    assert requirements_problems(without(heading, REQUIREMENTS)) == (f"requirements.md has no section on {subject}",)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("## 1. Overview", "## 1) PROJECT OVERVIEW"),
        ("## 1. Overview", "## I. Introduction"),
        ("## 1. Overview", "## Section 1: Purpose and scope"),
        ("## 2. Features", "## 2 - Functional Requirements"),
        ("## 2. Features", "## **2. Microservices Architecture**"),
        ("## 2. Features", "2. User stories\n---------------"),
        ("## 3. Non-functional requirements", "## 3. NON-FUNCTIONAL REQUIREMENTS ##"),
        ("## 3. Non-functional requirements", "## 3. Nonfunctional"),
        ("## 3. Non-functional requirements", "## (3) Quality attributes"),
        ("# Notes: requirements\n\n", ""),
    ],
)
def test_wording_case_and_numbering_style_are_free(old: str, new: str) -> None:
    assert old in REQUIREMENTS

    assert requirements_problems(REQUIREMENTS.replace(old, new)) == ()


def test_a_heading_on_non_functional_requirements_is_no_section_on_features() -> None:
    text = "## 1. Overview\nx\n## 2. Non-functional requirements\nx\n"

    assert requirements_problems(text) == ("requirements.md has no section on features",)


def test_an_empty_section_and_a_part_without_features_are_named() -> None:
    text = REQUIREMENTS.replace("- Fast\n", "").replace("- R1 Create a note\n", "")

    assert requirements_problems(text + "\n\n") == (
        "requirements.md, line 6: the section on features is empty",
        "requirements.md, line 9: the section on non-functional requirements is empty",
        "requirements.md, line 7: Notes lists no features",
    )


def test_headings_without_numbers_are_named() -> None:
    text = REQUIREMENTS.replace("## 1. Overview", "## Overview")

    assert requirements_problems(text) == ('requirements.md: Overview is not numbered (write "## 1. Overview")',)


def test_headings_may_be_bold_lines_when_there_are_no_others() -> None:
    text = REQUIREMENTS.replace("# Notes: requirements\n", "").replace("### 2.1 Notes\n", "")

    assert (
        requirements_problems("\n".join(f"**{line[3:]}**" if line[:2] == "##" else line for line in text.split("\n")))
        == ()
    )


def test_bold_lines_among_headings_are_text() -> None:
    text = REQUIREMENTS.replace("- R1 Create a note", "**R1 Create a note**")

    assert requirements_problems(text) == ()


def test_headings_inside_code_do_not_count() -> None:
    text = without("## 1. Overview", REQUIREMENTS).replace("- Fast", "```\n## 9. Overview\nx\n```")

    assert requirements_problems(text) == ("requirements.md has no section on overview",)


def test_an_empty_document_lacks_everything() -> None:
    assert len(requirements_problems("")) == 3
    assert len(design_problems("")) == 2


# ---------------------------------------------------------------- design


def test_a_complete_design_has_no_problems() -> None:
    assert design_problems(DESIGN) == ()


@pytest.mark.parametrize(("heading", "subject"), [("## 1. Arch", "architecture"), ("## 3. Deployment", "deployment")])
def test_a_missing_section_of_the_design_is_named(heading: str, subject: str) -> None:
    text = without(heading, DESIGN).replace(", Redis", "")

    assert design_problems(text) == (f"design.md has no section on {subject}",)


def test_what_a_service_does_not_state_is_named() -> None:
    text = DESIGN.replace("- **Database**: SQLite\n- **Endpoints**: /tags\n", "")

    assert design_problems(text) == ("design.md, line 12: Tag Service does not state its database and endpoints",)


def test_a_design_without_services_needs_no_databases() -> None:
    assert design_problems("# A tool\n\n## Architecture\nOne module.\n\n## Deployment\npip install\n") == ()


def test_a_part_that_is_no_service_needs_no_database() -> None:
    text = DESIGN.replace("## 2. Services", "## 2. Parts or services").replace(
        "## 3. Deployment", "### Command line\nDependencies: Note Service\n\n### Files\nOne folder.\n\n## 3. Deployment"
    )

    assert design_problems(text) == ()


def test_a_dependency_nobody_describes_is_flagged() -> None:
    text = DESIGN.replace("Tag Service, Redis", "Tag Service, Redis, Ghost Service")

    assert unknown_dependencies(text) == (("Note Service", "Ghost Service"),)
    assert design_problems(text) == (
        "design.md: Note Service depends on Ghost Service, which the design does not describe",
    )


@pytest.mark.parametrize(
    "fields",
    [
        "- **Database**: SQLite\n- **Endpoints**: /notes\n- **Dependencies**: Tag",
        "* Database: SQLite\n* API: /notes\n* Depends on: Tag Service",
        "**Data store:** SQLite\n**Routes:** /notes\n**Dependencies:** the tag service",
        "Database: SQLite\nEndpoints:\n  - GET /notes\n  - POST /notes\nDependencies:\n  - Tag Service",
        "#### Database\nSQLite\n#### Endpoints\n- /notes\n#### Dependencies\n- Tag Service (for names)",
        "| Database | SQLite |\n| Endpoints | /notes |\n| Dependencies | Tag Service |",
    ],
)
def test_the_fields_of_a_service_may_be_written_in_many_ways(fields: str) -> None:
    old = "- **Database**: SQLite\n- **Endpoints**: /notes\n- **Dependencies**: Tag Service, Redis"
    assert old in DESIGN
    text = DESIGN.replace(old, fields)

    assert design_problems(text) == ()
    assert read_edges(read_services(text)) == (Edge("Note Service", "Tag Service"),)


# ---------------------------------------------------------------- edges


def test_the_dependency_lines_of_the_sample_become_edges(sample: Callable[[str], str]) -> None:
    edges = read_edges(read_services(sample("design")))

    assert [(edge.service, edge.needs) for edge in edges if edge.service.startswith("Order")] == [
        ("Order Management Service", "User Management Service"),
        ("Order Management Service", "Product Catalog Service"),
        ("Order Management Service", "Payment Processing Service"),
    ]
    assert len(edges) == 8


def test_services_keep_what_the_sample_states(sample: Callable[[str], str]) -> None:
    services = read_services(sample("design"))

    assert [service.name for service in services] == [
        "User Management Service",
        "Product Catalog Service",
        "Shopping Cart Service",
        "Payment Processing Service",
        "Order Management Service",
        "Inventory Service",
    ]
    assert services[2].database == "Redis for session storage"
    assert services[2].endpoints == "/cart, /cart/items"
    assert services[2].dependencies == ("User Management", "Product Catalog")
    assert services[0].dependencies == ()


def test_a_part_of_a_name_that_fits_two_services_is_no_dependency_we_know() -> None:
    text = DESIGN.replace("### Tag Service", "### Tag Index Service").replace(
        "## 3. Deployment",
        "### Tag Store Service\n- Database: x\n- Endpoints: y\n- Dependencies: none\n\n## 3. Deployment",
    )

    assert read_edges(read_services(text)) == ()
