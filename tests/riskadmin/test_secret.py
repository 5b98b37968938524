"""The signing key of an installation."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from riskadmin.secret import load_or_create


def test_a_key_is_made_once_and_read_ever_after(tmp_path):
    key = load_or_create(tmp_path / "data" / "secret_key")
    assert len(key) >= 50
    assert load_or_create(tmp_path / "data" / "secret_key") == key


def test_only_its_owner_may_read_it(tmp_path):
    load_or_create(tmp_path / "secret_key")
    assert (tmp_path / "secret_key").stat().st_mode & 0o077 == 0


def test_a_folder_that_cannot_be_written_is_one_sentence_that_says_what_to_set(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ImproperlyConfigured, match=r"Cannot write .*\. Set RISKADMIN_DATA"):
        load_or_create(tmp_path / "file" / "secret_key")
