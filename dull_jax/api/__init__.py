"""dull_jax from Python: what the commands do, with arrays, as scikit-learn and cleanlab have it.

| command | from Python |
|---|---|
| `dull-jax train` | `train_classifier(recipe, workdir, **fields)` |
| `dull-jax audit` | `find_label_errors(labels, pred_probs=…, embeddings=…)` |
| `dull-jax embed` | `embed_images(folder)` |
| `dull-jax predict` | `Classifier.load(run).predict(images)` |

`RobustClassifier` trains on vectors as any estimator of scikit-learn does.

The functions are not called `train`, `audit` and `embed`: those are packages of dull_jax, and
importing a package puts it in the place of a function of its name.
"""
