"""One meaning of a label, whoever wrote the table."""

import pytest

from dull_jax.data.tables import class_labels, csv_io
from dull_jax.errors import UserError


def read(*cells):
    table = csv_io.Table(
        {"label": [csv_io.plain(cell) for cell in cells]}, [*range(2, 99)][: len(cells)]
    )
    return class_labels.read("t.csv", table)


@pytest.mark.parametrize(
    ("cells", "labels"),
    [
        (["0.0", "1.0", "11.0", "1.0"], ["0", "1", "11", "1"]),  # pandas, where one was missing
        (["0", "1", "2."], ["0", "1", "2"]),
        (["003", "007"], ["003", "007"]),
        ([" cat ", "cat"], ["cat", "cat"]),
        (["cafe\u0301", "caf\xe9"], ["caf\xe9", "caf\xe9"]),
        (["v1.5", "2.5", "-1"], ["v1.5", "2.5", "-1"]),  # no whole number among them
        (["'nan", "'2.5", "'1", "'01", "7"], ["nan", "2.5", "1", "01", "7"]),
        (["'=cmd", "'plain'"], ["=cmd", "'plain'"]),
        (["nanny", "nan1", "inf", "None", "NA"], ["nanny", "nan1", "inf", "None", "NA"]),
    ],
)
def test_what_a_label_means(cells, labels):
    assert read(*cells) == labels


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["0", "nan"], "row 3: label 'nan' stands for a label that is missing"),
        (["cat", "NaN"], "row 3: label 'NaN' stands for"),
        (["cat", "<NA>"], "row 3: label '<NA>' stands for"),
        (["0", "None"], "row 3: label 'None' stands for a label that is missing"),
        (["0", "#N/A"], "row 3: label '#N/A' stands for"),
        (["cat", " "], "row 3: the label is empty"),
        (["cat", ""], "row 3: the label is empty"),
        (["0", "1", "-1"], "row 4: label '-1' is no class beside whole numbers"),
        (["0", "2.5"], "row 3: label '2.5' is no class"),
        (["0.0", "inf"], "row 3: label 'inf' is no class"),
        (["0", "1e3"], "row 3: label '1e3' is no class"),
        (["1", "01"], "row 3: label '01' is another spelling of the number '1'"),
        (["1.0", "2.0", "1"], "row 4: label '1' is another spelling of the number '1.0'"),
        (["1", "1.00"], "row 3: label '1.00' is another spelling"),
    ],
)
def test_what_is_no_label(cells, message):
    with pytest.raises(UserError, match=r"t\.csv, ") as refused:
        read(*cells)
    assert message in str(refused.value) and "\n" not in str(refused.value)


def test_the_order_of_classes():
    assert class_labels.in_order({"10", "9", "2"}) == ["2", "9", "10"]
    assert class_labels.in_order({"c10", "c9", "b"}) == ["b", "c10", "c9"]
    assert class_labels.naturally(["c10", "c9", "b", "c9a2", "c9a10"]) == [
        "b",
        "c9",
        "c9a2",
        "c9a10",
        "c10",
    ]
    assert sorted(class_labels.naturally(["1", "01", "a", "²"])) == sorted(["1", "01", "a", "²"])


@pytest.mark.parametrize(
    "names",
    [
        ("0", "1", "10"),
        ("2.5", "nan"),
        ("1", "01"),
        ("cat", "NaN", "-1"),
        ("1e3", "inf", "<NA>"),
        ("'nan", "''2.5", "nan"),
        ("1", "cat"),
        ("000", "001"),
        ("0", "1", "None"),
    ],
)
def test_names_that_are_written_are_read_again(names):
    cells = [csv_io.cell(cell) for cell in class_labels.cells(names)]
    assert read(*cells) == list(names)


def test_whole_numbers_need_no_sign():
    assert class_labels.cells(("0", "1", "12")) == ("0", "1", "12")
    assert not any(isinstance(cell, csv_io.Text) for cell in class_labels.cells(("0", "1", "12")))
