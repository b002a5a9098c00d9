"""Benchmarks by purpose; each is `python -m benchmarks.FOLDER.FILE`.

  speed     training steps, their FLOPs, scans of folders, the constants of docs/scaling.md
  accuracy  methods, seeds and recipes: the result files behind most tables
  audit     how well and how fast wrong labels are found
  docs      the tables and figures of README and docs, from results/

`results/` holds the committed result files. `timing` and `result_file` are shared by all.
"""
