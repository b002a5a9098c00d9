"""A run's folder: the only place that knows its file names, reads them, and says which are good.

`layout` names the files, `read` parses them, `overwrite` says where a run, an audit or a command
may write. `seal` says whether a finished run is as it was left, `checkpoints` which step is the
newest that is whole, `leaves` how its arrays fill a tree; `remote_checkpoints` has those of a store
at hand. Which run a folder holds is a matter of its recipe: `train/identity`.
"""
