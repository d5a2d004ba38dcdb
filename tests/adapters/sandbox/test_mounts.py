from pathlib import Path

from equitr_coder.adapters.sandbox.mount_points import MountPoints
from equitr_coder.adapters.sandbox.mounts import ROOT, Mount, arrange, expose


def test_parents_come_before_children_and_the_last_of_one_place_wins(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    arranged = arrange(
        [
            Mount("write", str(tree), str(tree)),
            Mount("hide", "/usr"),
            Mount("read", "/usr/lib", "/usr/lib"),
            Mount("hide", str(tmp_path)),
            Mount("read", "/usr", "/usr"),
        ],
        root=tree,
    )

    assert arranged.mounts == (ROOT, Mount("hide", str(tmp_path)), Mount("write", str(tree), str(tree)))
    assert arranged.points == ()


def test_only_the_tree_is_given_mount_points(tmp_path: Path) -> None:
    tree, other = tmp_path / "tree", tmp_path / "other"
    tree.mkdir()
    other.mkdir()
    (tree / "link").symlink_to(other)
    arranged = arrange(
        [
            Mount("write", str(tree), str(tree)),
            Mount("read", f"{tree}/deep/env", str(other)),
            Mount("read", f"{tree}/link/env", str(other)),
            Mount("read", f"{other}/env", "/usr"),
            Mount("text", f"{tree}/missing.txt", "x"),
        ],
        root=tree,
    )

    assert [mount.at for mount in arranged.mounts] == ["/", str(tree), f"{tree}/deep/env"]
    assert arranged.points == (tree / "deep/env",)


def test_a_path_behind_links_is_shown_with_every_link(tmp_path: Path) -> None:
    (tmp_path / "store/v1.2/bin").mkdir(parents=True)
    (tmp_path / "store/v1").symlink_to("v1.2")
    (tmp_path / "alias").symlink_to(tmp_path / "store/v1")

    assert expose(f"{tmp_path}/alias/bin", hidden=[str(tmp_path)]) == [
        Mount("link", f"{tmp_path}/alias", f"{tmp_path}/store/v1"),
        Mount("link", f"{tmp_path}/store/v1", "v1.2"),
        Mount("read", f"{tmp_path}/store/v1.2/bin", f"{tmp_path}/store/v1.2/bin"),
    ]


def test_nothing_is_shown_that_would_open_a_hidden_folder_or_is_not_there(tmp_path: Path) -> None:
    hidden = [str(tmp_path), f"{tmp_path}/home/.equitr"]
    (tmp_path / "home/.equitr").mkdir(parents=True)
    (tmp_path / "up").symlink_to("..")
    (tmp_path / "loop").symlink_to("loop")

    for path in (tmp_path, tmp_path / "home", tmp_path / "up", tmp_path / "loop", tmp_path / "missing", Path("/")):
        assert expose(str(path), hidden=hidden) == []
    assert expose("/usr/bin", hidden=hidden) == []


def test_mount_points_last_as_long_as_anybody_uses_them(tmp_path: Path) -> None:
    points = MountPoints()
    (tmp_path / "kept").mkdir()
    wanted = [tmp_path / "kept/a/b", tmp_path / "kept/c"]

    with points.folders(wanted):
        with points.folders(wanted[:1]):
            assert (tmp_path / "kept/a/b").is_dir()
        assert (tmp_path / "kept/a/b").is_dir()
        (tmp_path / "kept/c/mine.txt").write_text("made by a command")

    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["c"]
    assert (tmp_path / "kept/c/mine.txt").exists()


def test_a_link_that_a_command_replaced_is_left_alone(tmp_path: Path) -> None:
    points = MountPoints()

    with points.links(tmp_path, {"env": Path("/usr"), "gone": Path("/usr")}):
        (tmp_path / "env").unlink()
        (tmp_path / "env").mkdir()
        (tmp_path / "gone").unlink()

    assert [path.name for path in tmp_path.iterdir()] == ["env"]
