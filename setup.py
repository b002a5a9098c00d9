"""The recipes of configs/ are part of the package, as dull_jax/recipes/configs.

All else is in pyproject.toml, which has no words for a package that is found and one that is moved.
"""

import pathlib

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent
FOLDERS = sorted({path.parent.relative_to(HERE) for path in HERE.glob("configs/**/*.py")})
RECIPES = {f"dull_jax.recipes.{'.'.join(folder.parts)}": str(folder) for folder in FOLDERS}

setup(packages=[*find_packages(include=["dull_jax*"]), *RECIPES], package_dir=RECIPES)
