"""The trap that makes receipts lie: a check that tests the user's checkout instead of the tree under test."""

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from equitr_coder.adapters.sandbox.landlock import OLDEST, landlock_version
from equitr_coder.adapters.sandbox.landlocked import LandlockExecutor
from equitr_coder.adapters.sandbox.unconfined import UnconfinedExecutor
from equitr_coder.ports import Place
from tests.adapters.sandbox.conftest import Machine, git, put

CHECK = "python3 -m unittest -q tests/test_demo.py"
GOOD = "def answer():\n    return 42\n"
BAD = "def answer():\n    return 41\n"
PROJECT = {
    "pyproject.toml": (
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "demo"\nversion = "1.0"\n'
        '[tool.hatch.build.targets.wheel]\npackages = ["src/demo"]\n'
    ),
    ".gitignore": ".venv/\n",
    "src/demo/__init__.py": GOOD,
    "tests/test_demo.py": (
        "import unittest\nimport demo\n"
        "class Answer(unittest.TestCase):\n"
        "    def test_answer(self): self.assertEqual(demo.answer(), 42)\n"
    ),
}
Install = Callable[[Machine, Path], None]


def install_with_pth(machine: Machine, site: Path) -> None:
    put(site, {"__editable__.demo-1.0.pth": f"{machine.checkout}/src\n"})


def install_with_finder(machine: Machine, site: Path) -> None:
    """As setuptools does it when a project is not one plain folder."""
    package = machine.checkout / "src" / "demo"
    finder = (
        "import sys\nfrom importlib.util import spec_from_file_location\n"
        f"MAPPING: dict[str, str] = {{'demo': {str(package)!r}}}\n"
        "class _Finder:\n"
        "    @classmethod\n"
        "    def find_spec(cls, name, path=None, target=None):\n"
        "        if name in MAPPING:\n"
        "            return spec_from_file_location(name, MAPPING[name] + '/__init__.py')\n"
        "def install():\n    sys.meta_path.append(_Finder)\n"
    )
    put(
        site,
        {
            "__editable___demo_1_0_finder.py": finder,
            "__editable__.demo-1.0.pth": "import __editable___demo_1_0_finder; __editable___demo_1_0_finder.install()",
        },
    )


def install_with_backend(machine: Machine, site: Path) -> None:
    """What `pip install -e` does: the backend's own editable wheel, unpacked, with its record of the origin."""
    build_editable = pytest.importorskip("hatchling.build").build_editable
    before = Path.cwd()
    os.chdir(machine.checkout)
    try:
        wheel = build_editable(str(site.parent))
    finally:
        os.chdir(before)
    with zipfile.ZipFile(site.parent / wheel) as archive:
        archive.extractall(site)
    (site.parent / wheel).unlink()
    record = {"url": machine.checkout.as_uri(), "dir_info": {"editable": True}}
    put(site, {"demo-1.0.dist-info/direct_url.json": json.dumps(record)})


def install_as_link(machine: Machine, site: Path) -> None:
    (site / "demo").symlink_to(machine.checkout / "src" / "demo")


INSTALLS = [install_with_pth, install_with_finder, install_with_backend, install_as_link]


@pytest.fixture(params=["inside the checkout", "outside the checkout"])
def site(request: pytest.FixtureRequest, machine: Machine, make_environment: Callable[[Path], Path]) -> Path:
    machine.make_checkout(PROJECT)
    inside = request.param == "inside the checkout"
    environment = machine.checkout / ".venv" if inside else machine.home / "environments" / "demo"
    site = make_environment(environment)
    machine.environ["PATH"] = f"{environment}/bin:{machine.environ['PATH']}"
    machine.environ["VIRTUAL_ENV"] = str(environment)
    return site


@pytest.mark.parametrize("install", INSTALLS)
async def test_a_check_is_red_when_only_the_tree_is_broken(machine: Machine, site: Path, install: Install) -> None:
    install(machine, site)
    put(machine.worktree, {"src/demo/__init__.py": BAD})

    result = await machine.run(CHECK, clean=True)

    assert result.exit_code == 1, result.output
    assert b"41 != 42" in result.output


@pytest.mark.parametrize("install", INSTALLS)
async def test_a_check_is_green_when_only_the_tree_is_mended(machine: Machine, site: Path, install: Install) -> None:
    install(machine, site)
    put(machine.checkout, {"src/demo/__init__.py": BAD})

    result = await machine.run(CHECK, clean=True)

    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("install", INSTALLS)
async def test_without_a_sandbox_the_trap_is_there_and_is_named(machine: Machine, site: Path, install: Install) -> None:
    install(machine, site)
    put(machine.worktree, {"src/demo/__init__.py": BAD})
    executor = UnconfinedExecutor(reason="test", environ=machine.environ)

    result = await executor.run(CHECK, machine.place, timeout=30, clean=True)
    why = executor.leads_back(machine.place)

    assert result.exit_code == 0, "the check tests the wrong code"
    assert str(machine.checkout) in why
    assert str(site) in why


@pytest.mark.skipif(landlock_version() < OLDEST, reason="this kernel has no Landlock that is new enough")
async def test_landlock_does_not_say_that_there_is_no_sandbox(machine: Machine, site: Path) -> None:
    install_with_pth(machine, site)
    executor = LandlockExecutor(home=machine.equitr_home, readable=[], environ=machine.environ)

    assert executor.leads_back(machine.place).startswith("under Landlock, code under test could come from")


async def test_an_ordinary_install_does_not_lead_back(machine: Machine, site: Path) -> None:
    put(site, {"other/__init__.py": "", "other.pth": str(machine.home)})

    assert UnconfinedExecutor(reason="test", environ=machine.environ).leads_back(machine.place) == ""


async def test_the_checkout_itself_does_not_lead_back(machine: Machine, site: Path) -> None:
    install_with_pth(machine, site)
    place = Place(root=machine.checkout, stands_for=machine.checkout)

    assert UnconfinedExecutor(reason="test", environ=machine.environ).leads_back(place) == ""


async def test_a_python_path_and_a_link_that_lead_back_are_named(demo: Machine) -> None:
    executor = UnconfinedExecutor(
        reason="test", environ={**demo.environ, "PYTHONPATH": f"{demo.checkout}/lib:{demo.worktree}/lib"}
    )
    (demo.worktree / "alias").symlink_to(demo.checkout)

    why = executor.leads_back(demo.place)

    assert f"PYTHONPATH names {demo.checkout}/lib" in why
    assert f"{demo.worktree}/lib" not in why
    assert f"the link alias leads to {demo.checkout}" in why


async def test_a_python_path_into_the_checkout_leads_to_the_tree(machine: Machine) -> None:
    machine.make_checkout(PROJECT)
    machine.environ["PYTHONPATH"] = f"{machine.checkout}/src"
    put(machine.worktree, {"src/demo/__init__.py": BAD})

    assert (await machine.run(CHECK, clean=True)).exit_code == 1


async def test_an_alias_of_the_checkout_leads_to_the_tree(
    machine: Machine, make_environment: Callable[[Path], Path]
) -> None:
    machine.make_checkout(PROJECT)
    alias = machine.home / "alias"
    alias.symlink_to(machine.checkout)
    site = make_environment(machine.home / "environment")
    put(site, {"demo.pth": f"{alias}/src\n"})
    machine.environ["PATH"] = f"{machine.home}/environment/bin:{machine.environ['PATH']}"
    put(machine.worktree, {"src/demo/__init__.py": BAD})

    result = await machine.run(CHECK, clean=True)

    assert result.exit_code == 1, result.output
    assert b"41 != 42" in result.output


async def test_a_checkout_named_by_an_alias_is_the_tree_under_both_names(demo: Machine) -> None:
    alias = demo.home / "alias"
    alias.symlink_to(demo.checkout)
    place = Place(root=demo.worktree, stands_for=alias)

    seen = await demo.says(f"echo two > a.txt; cat {alias}/a.txt {demo.checkout}/a.txt", place)

    assert seen == "two\ntwo"


async def test_an_editable_neighbour_outside_the_checkout_stays_importable(
    machine: Machine, make_environment: Callable[[Path], Path]
) -> None:
    machine.make_checkout(PROJECT)
    put(machine.home / "work/neighbour/src", {"neighbour.py": "name = 'neighbour'\n"})
    site = make_environment(machine.checkout / ".venv")
    put(site, {"neighbour.pth": f"{machine.home}/work/neighbour/src\n"})
    machine.environ["PATH"] = f"{machine.checkout}/.venv/bin:{machine.environ['PATH']}"

    seen = await machine.says(f"python3 -c 'import neighbour; print(neighbour.name)'; ls {machine.home}/work")

    assert seen.split() == ["neighbour", "demo", "neighbour"]


async def test_the_environment_of_the_checkout_is_read_only_and_leaves_no_trace(machine: Machine, site: Path) -> None:
    inside = site.is_relative_to(machine.checkout)

    result = await machine.run(f"git status --short; touch {site}/x {site.parent}/x")

    assert result.output.count(b"Read-only file system") == 2, result.output
    assert not (site / "x").exists()
    assert not (machine.worktree / ".venv").exists()
    assert git("status", "--short", cwd=machine.worktree) == ""
    assert inside == (machine.checkout / ".venv").exists()


async def test_a_tree_that_has_its_own_environment_keeps_it(
    machine: Machine, make_environment: Callable[[Path], Path]
) -> None:
    machine.make_checkout(PROJECT)
    put(make_environment(machine.checkout / ".venv"), {"whose.py": "name = 'checkout'\n"})
    put(make_environment(machine.worktree / ".venv"), {"whose.py": "name = 'tree'\n"})
    machine.environ["PATH"] = f"{machine.checkout}/.venv/bin:{machine.environ['PATH']}"

    assert await machine.says("python3 -c 'import whose; print(whose.name)'") == "tree"


async def test_tracked_programs_come_from_the_tree(machine: Machine) -> None:
    machine.make_checkout({"bin/tool": "#!/bin/sh\necho old\n", "lib/x": ""})
    (machine.worktree / "bin/tool").write_text("#!/bin/sh\necho new\n")
    for root in (machine.checkout, machine.worktree):
        (root / "bin/tool").chmod(0o755)
    machine.environ["PATH"] = f"{machine.checkout}/bin:{machine.environ['PATH']}"

    assert await machine.says("tool") == "new"


async def test_the_environment_in_place_is_read_only(
    machine: Machine, make_environment: Callable[[Path], Path]
) -> None:
    machine.make_checkout(PROJECT)
    site = make_environment(machine.checkout / ".venv")
    machine.environ["PATH"] = f"{machine.checkout}/.venv/bin:{machine.environ['PATH']}"

    result = await machine.run(f"touch {site}/sitecustomize.py", Place(root=machine.checkout))

    assert result.exit_code == 1
    assert not (site / "sitecustomize.py").exists()


async def test_links_show_outside_folders_read_only_and_leave_no_trace(demo: Machine) -> None:
    put(demo.checkout / "node_modules/left-pad", {"index.js": "left"})
    put(demo.home / "data", {"table.csv": "1,2"})
    place = Place(
        root=demo.worktree,
        stands_for=demo.checkout,
        links={"node_modules": demo.checkout / "node_modules", "deep/data": demo.home / "data", "../out": demo.home},
    )

    result = await demo.run(
        f"cat node_modules/left-pad/index.js {demo.checkout}/node_modules/left-pad/index.js deep/data/table.csv;"
        "touch node_modules/x",
        place,
    )

    assert result.output.startswith(b"leftleft1,2"), result.output
    assert result.exit_code == 1
    assert sorted(path.name for path in demo.worktree.iterdir()) == [".git", ".gitignore", "a.txt"]


async def test_without_a_sandbox_links_are_made_for_the_command_only(demo: Machine) -> None:
    put(demo.checkout / "node_modules", {"index.js": "left"})
    place = Place(
        root=demo.worktree,
        stands_for=demo.checkout,
        links={"node_modules": demo.checkout / "node_modules", "a.txt": demo.home},
    )
    executor = UnconfinedExecutor(reason="test", environ=demo.environ)

    result = await executor.run("cat node_modules/index.js a.txt", place, timeout=10)

    assert result.output == b"leftone\n"
    assert sorted(path.name for path in demo.worktree.iterdir()) == [".git", ".gitignore", "a.txt"]


async def test_a_linked_environment_finds_its_base_interpreter(
    demo: Machine, make_environment: Callable[[Path], Path]
) -> None:
    make_environment(demo.home / "prepared")
    place = Place(root=demo.worktree, stands_for=demo.checkout, links={".venv": demo.home / "prepared"})
    demo.environ["PATH"] = "/usr/bin:/bin"

    seen = await demo.says(".venv/bin/python -c 'import sys; print(sys.prefix)'", place)

    assert seen == str(demo.worktree / ".venv")


def test_the_literals_of_an_import_hook_are_found(tmp_path: Path) -> None:
    from equitr_coder.adapters.sandbox.editable import detours

    put(
        tmp_path,
        {
            "a.pth": "/one\n# comment\n../two\nimport hook; hook.install('/never')\n",
            "hook.py": "TABLE = {'x': '/three/x'}\n",
            "b.dist-info/direct_url.json": '{"url": "file:///four%20five", "dir_info": {"editable": true}}',
            "c.dist-info/direct_url.json": '{"url": "file:///six", "dir_info": {}}',
            "d.egg-link": "/seven\n.\n",
            "broken.pth": "import broken",
            "broken.py": "def (",
        },
    )

    found = {str(detour.target) for detour in detours(tmp_path)}

    assert found == {"/one", str(tmp_path.parent / "two"), "/three/x", "/four five", "/seven"}


async def test_paths_with_spaces_and_other_letters_work(machine: Machine) -> None:
    machine.checkout = machine.home / "my wörk" / "demo 'one'"
    machine.worktree = machine.equitr_home / "work trees" / "T 1"
    machine.make_checkout({"a.txt": "one\n"})

    seen = await machine.says('echo two > a.txt; pwd; cat "$(git rev-parse --show-toplevel)/a.txt"; git status --short')

    assert seen.splitlines() == [str(machine.worktree), "two", " M a.txt"]


async def test_a_product_home_inside_the_checkout_works(machine: Machine) -> None:
    machine.equitr_home = machine.checkout / ".equitr-home"
    machine.worktree = machine.equitr_home / "worktrees/T1"
    machine.make_checkout({"a.txt": "one\n", ".gitignore": ".equitr-home\n"})
    put(machine.equitr_home, {"secret": "PRIVATE"})

    seen = await machine.says(f"echo two > a.txt; cat {machine.checkout}/a.txt; ls {machine.equitr_home}")
    in_place = await machine.run(f"cat {machine.equitr_home}/secret", Place(root=machine.checkout))

    assert seen == "two\nworktrees"
    assert in_place.exit_code == 1
    assert sorted(path.name for path in machine.worktree.iterdir()) == [".git", ".gitignore", "a.txt"]


async def test_a_submodule_pointer_is_guarded(demo: Machine) -> None:
    """git on the host follows it, and obeys the configuration it finds there."""
    put(demo.worktree, {".gitmodules": '[submodule "s"]\n\tpath = lib/s\n\turl = x\n', "lib/s/.git": "gitdir: ../x\n"})

    result = await demo.run(
        "echo 'gitdir: /tmp/evil' > lib/s/.git; rm -f lib/s/.git; mv lib/s lib/t; mv lib t; touch lib/s/x"
    )

    assert result.exit_code == 0, result.output
    assert (demo.worktree / "lib/s/.git").read_text() == "gitdir: ../x\n"
    assert sorted(path.name for path in (demo.worktree / "lib/s").iterdir()) == [".git", "x"]


async def test_asking_the_interpreter_without_a_sandbox_runs_nothing_of_the_tree(demo: Machine) -> None:
    """The host asks it, unconfined: a json.py or sitecustomize.py of the tree must not be what answers."""
    for name in ("json.py", "site.py", "sitecustomize.py", "usercustomize.py"):
        (demo.worktree / name).write_text(f"open({str(demo.folder / 'ran')!r}, 'w')\n")
    demo.environ["PYTHONPATH"] = ".:"
    executor = UnconfinedExecutor(reason="test", environ=demo.environ)

    executor.leads_back(demo.place)

    assert not (demo.folder / "ran").exists()
