"""The folder of a demonstration."""

import pytest

from liquidation.demo.folder import DemoFolder, FolderRefusedError


def test_a_new_folder_is_made_for_its_owner_alone(tmp_path):
    folder = DemoFolder.hold(tmp_path / "new")
    assert folder.path.stat().st_mode & 0o077 == 0
    assert not folder.is_demo
    folder.claim()
    assert folder.is_demo


def test_two_demonstrations_do_not_share_a_folder(tmp_path):
    held = DemoFolder.hold(tmp_path)
    with pytest.raises(FolderRefusedError, match=r"runs in .* already"):
        DemoFolder.hold(tmp_path)
    assert held.path == tmp_path


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FolderRefusedError, match=r"Cannot write in .*Set RISKADMIN_DATA"):
        DemoFolder.hold(tmp_path / "file")


def test_beginning_anew_deletes_the_demonstrations_data_and_keeps_the_key(tmp_path):
    folder = DemoFolder.hold(tmp_path)
    folder.claim()
    (tmp_path / "riskdesk.sqlite3").write_text("rows")
    (tmp_path / "valkey").mkdir()
    (tmp_path / "secret_key").write_text("key")
    (tmp_path / "notes.txt").write_text("mine")
    folder.clear()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo.lock", "notes.txt", "secret_key"]


@pytest.mark.parametrize("act", [DemoFolder.claim, DemoFolder.clear])
def test_another_installations_data_is_never_touched(tmp_path, act):
    (tmp_path / "riskdesk.sqlite3").write_text("rows")
    with pytest.raises(FolderRefusedError, match="another installation"):
        act(DemoFolder.hold(tmp_path))
    assert (tmp_path / "riskdesk.sqlite3").read_text() == "rows"


def test_a_password_counts_as_shown_from_when_that_is_noted_until_all_begins_anew(tmp_path):
    folder = DemoFolder.hold(tmp_path)
    assert not folder.has_shown_password
    folder.claim()
    assert not folder.has_shown_password
    folder.note_password_shown()
    folder.claim()  # the next start
    assert folder.has_shown_password
    folder.clear()
    assert not folder.has_shown_password
