"""The benchmark's command line."""

import io

import pytest
from django.core.management import CommandError, call_command


def test_it_says_above_the_table_what_is_measured():
    out = io.StringIO()
    call_command("benchmark", "--accounts", "1", "--marks", "1", stdout=out)
    assert out.getvalue().startswith("How long one price takes until every account that it could breach is known")


@pytest.mark.parametrize("option", ["--accounts", "--marks"])
@pytest.mark.parametrize("value", ["0", "-1", "x"])
def test_there_is_at_least_one_of_each(option, value):
    with pytest.raises(CommandError, match=option):
        call_command("benchmark", option, value)
