"""A section is a file of the folder: found, ordered and linked without being listed anywhere."""

import pathlib

from dull_jax import fields
from dull_jax.report import sections

FOLDER = pathlib.Path(sections.__file__).parent


def test_every_file_of_the_folder_is_a_section():
    modules = sections._modules()
    names = {module.__name__.rpartition(".")[2] for module in modules}
    assert names == {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}
    orders = [module.ORDER for module in modules]
    assert orders == sorted(set(orders)), "two sections with the same place"
    assert all(module.TITLE and callable(module.content) for module in modules)


def test_a_new_file_is_a_new_section(tmp_path, monkeypatch, ten_classes):
    (tmp_path / "hello.py").write_text(
        "from dull_jax.report import blocks\n"
        "TITLE, ORDER = 'Hello <world>', 15\n"
        "def content(run):\n"
        "    return [blocks.text(f'{run.name} says hello')]\n"
    )
    monkeypatch.setattr(sections, "__path__", [*sections.__path__, str(tmp_path)])
    for listed in ("kinds", "_files"):  # nothing is kept
        monkeypatch.setattr(fields, listed, getattr(fields, listed).__wrapped__)
    from dull_jax.report import html
    from dull_jax.report.run import read

    page = html.page(read(ten_classes))
    assert page.index('id="result"') < page.index('id="hello"') < page.index('id="data"')
    assert "DULL says hello" in page and '<a href="#hello">Hello &lt;world&gt;</a>' in page
