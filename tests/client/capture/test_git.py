"""What git knows of the code, and a patch that brings a fresh checkout to the same state."""

import os
import subprocess
from pathlib import Path

import pytest

from modelyard.client.capture import git


def files(root: Path) -> dict[str, bytes]:
    found = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    return {name: content for name, content in found.items() if not name.startswith(".git/")}


def applied(patch: bytes, to: Path, **options) -> dict[str, bytes]:
    """What a directory holds once the patch is applied."""
    subprocess.run(["git", "apply", "--whitespace=nowarn"], input=patch, cwd=to, check=True)
    return files(to)


def checkout(repo, commit: str, to: Path) -> Path:
    subprocess.run(["git", "clone", "-q", repo.root, to], check=True)
    subprocess.run(["git", "checkout", "-q", commit], cwd=to, check=True)
    return to


def test_a_clean_repository(repo) -> None:
    repo.write("src/train.py", "print(1)\n")
    commit = repo.commit()
    repo("remote", "add", "origin", "https://ann:secret@example.org/ann/wine.git")
    found = git.repository(repo.root / "src")
    assert found is not None
    assert (found.root, found.commit, found.branch) == (repo.root, commit, "main")
    assert found.remote == "https://example.org/ann/wine.git"
    assert (found.dirty, found.patch) == (False, git.Patch())


def test_the_patch_brings_a_checkout_to_the_same_state(repo, tmp_path) -> None:
    repo.write("train.py", "one\ntwo\n")
    repo.write("old.py", "gone\n")
    repo.write("tool.sh", "#!/bin/sh\n")
    repo.write("weights.bin", bytes(range(256)))
    commit = repo.commit()
    repo("config", "diff.noprefix", "true")  # a user's taste must not spoil it
    repo("config", "color.ui", "always")
    repo.write("train.py", "one\r\nthree")
    (repo.root / "old.py").unlink()
    (repo.root / "tool.sh").chmod(0o755)
    repo.write("weights.bin", bytes(range(255, -1, -1)))
    repo.write("staged.py", "staged\n")
    repo("add", "staged.py")
    repo.write('new folder/ünïcode "name".py', "new\n")
    repo.write("empty/__init__.py", "")
    index = (repo.root / ".git/index").read_bytes()
    objects = set((repo.root / ".git/objects").rglob("*"))
    found = git.repository(repo.root)
    assert found is not None
    assert (found.dirty, found.patch.cut, found.patch.left_out) == (True, False, ())
    assert (repo.root / ".git/index").read_bytes() == index  # nothing in the repository was touched
    assert set((repo.root / ".git/objects").rglob("*")) == objects
    fresh = checkout(repo, commit, tmp_path / "fresh")
    assert applied(found.patch.text, fresh) == files(repo.root)
    assert os.access(fresh / "tool.sh", os.X_OK)


def test_new_files_that_are_no_code_are_left_out(repo) -> None:
    repo.write(".gitignore", "ignored.py\n")
    repo.commit()
    repo.write("ignored.py", "x")
    repo.write("data.csv", "1,2\n")
    repo.write("big.py", b"#" * (git.LARGEST_NEW_FILE + 1))
    repo.write("secrets.toml", "key = 1\n")
    repo.write("my_credentials.json", "{}\n")
    found = git.repository(repo.root)
    assert found is not None
    assert not found.dirty
    assert found.patch.left_out == ("big.py", "data.csv", "my_credentials.json", "secrets.toml")
    entry = repo.write("run", "#!/usr/bin/env python\n")
    with_entry = git.repository(repo.root, entry)
    assert with_entry is not None
    assert with_entry.dirty
    assert b"+#!/usr/bin/env python" in with_entry.patch.text


def test_a_patch_that_is_too_large_keeps_whole_files_and_says_so(repo, tmp_path) -> None:
    commit = repo.commit()
    for name in ("a.py", "b.py", "c.py"):
        repo.write(name, f"{name}\n" * 1000)
    found = git.repository(repo.root, most_bytes=15_000)
    assert found is not None
    assert found.patch.cut
    assert 0 < len(found.patch.text) <= 15_000
    assert applied(found.patch.text, checkout(repo, commit, tmp_path / "fresh")).keys() == {"a.py", "b.py"}


def test_before_the_first_commit(repo, tmp_path) -> None:
    repo.write("train.py", "print(1)\n")
    found = git.repository(repo.root)
    assert found is not None
    assert (found.commit, found.branch, found.dirty) == ("", "main", True)
    (tmp_path / "fresh").mkdir()
    assert applied(found.patch.text, tmp_path / "fresh") == files(repo.root)


def test_no_branch_and_a_worktree(repo, tmp_path) -> None:
    repo.write("train.py", "print(1)\n")
    commit = repo.commit()
    repo("worktree", "add", "-q", "--detach", str(tmp_path / "other"))
    (tmp_path / "other" / "new.py").write_text("new\n")
    found = git.repository(tmp_path / "other")
    assert found is not None
    assert (found.root, found.commit, found.branch, found.dirty) == (tmp_path / "other", commit, "", True)
    assert b"+new" in found.patch.text


def test_the_branchs_own_remote_comes_first(repo) -> None:
    repo.commit()
    repo("remote", "add", "origin", "git@example.org:ann/wine.git")
    repo("remote", "add", "fork", "https://example.org/bob/wine.git")
    for name, expected in (("origin", "git@example.org:ann/wine.git"), ("fork", "https://example.org/bob/wine.git")):
        repo("config", "branch.main.remote", name)
        found = git.repository(repo.root)
        assert found is not None
        assert found.remote == expected


def test_outside_of_a_repository_and_without_git(tmp_path, repo, monkeypatch) -> None:
    assert git.repository(tmp_path) is None
    repo.commit()
    monkeypatch.setenv("GIT_DIR", "/nowhere")  # as in a hook of another repository
    assert git.repository(repo.root) is not None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git.repository(repo.root) is None


@pytest.mark.parametrize(
    "content", [b"", b"a\n", b"a", b"\n\n", b"a\r\nb\r\n", "ü\n".encode(), b"--- a/x\n+++ b/x\n@@"]
)
def test_files_outside_of_git_as_a_patch(tmp_path, content) -> None:
    (tmp_path / "code" / "pkg").mkdir(parents=True)
    (tmp_path / "code" / "pkg" / "a module.py").write_bytes(content)
    patch = git.as_new_files(tmp_path / "code", [tmp_path / "code/pkg/a module.py"])
    (tmp_path / "fresh").mkdir()
    assert applied(patch.text, tmp_path / "fresh") == files(tmp_path / "code")


def test_outside_of_git_what_cannot_be_in_a_patch_is_left_out(tmp_path) -> None:
    (tmp_path / "a.py").write_bytes(b"\0")
    (tmp_path / "b.py").write_bytes(b"x" * 100)
    patch = git.as_new_files(tmp_path, [tmp_path / "a.py", tmp_path / "b.py", tmp_path / "absent.py"], most_bytes=50)
    assert (patch.text, patch.cut, patch.left_out) == (b"", True, ("a.py", "b.py", "absent.py"))
