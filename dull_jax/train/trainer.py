"""The loop: data, networks, epochs, evaluation, checkpoints; read from top to bottom.

Restart is a contract: the same command in the same workdir continues where the last good
checkpoint stands, and ends, on as many devices, in the state of a run that was never stopped, bit
for bit (on GPUs with XLA_FLAGS=--xla_gpu_deterministic_ops=true). It holds because an epoch is a
pure function of the networks, the method's memory at its start and what `observe` returned: a
checkpoint inside an epoch holds exactly these, and the epoch's generator is replayed up to the
step that was reached.

Of several processes (`hosts`) each runs all of this and comes to the same numbers; the first one
writes. So whatever decides what comes next must be known to all: a signal that came to one is.
"""

import copy
import dataclasses
import json
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from clu import parameter_overview
from ml_collections import ConfigDict

from dull_jax import config as recipe
from dull_jax.data import auto
from dull_jax.data.dataset import Dataset
from dull_jax.data.prepare import prepare
from dull_jax.errors import Stopped, UserError
from dull_jax.files import Path, path_of, write_text
from dull_jax.stats import metrics
from dull_jax.stats.calibration import expected_calibration_error
from dull_jax.train import feasible, hosts, initial, parallel, result, workdir, writer
from dull_jax.train.checkpoint import Checkpoints, Owner
from dull_jax.train.epoch_run import EpochRun, Observation
from dull_jax.train.executor import Executor, Sums
from dull_jax.train.interrupt import Interrupt
from dull_jax.train.progress import Progress
from dull_jax.train.state import learning_rate

Say = Callable[[str], None]


def train(
    config: ConfigDict,
    folder: str | os.PathLike,
    say: Say = print,
    labels: Path | None = None,
) -> dict[str, Any]:
    """Trains `config.method`, or continues it, and writes everything a run leaves behind.

    Args:
      config: a recipe, `configs/base.py` with changes.
      folder: the run's workdir.
      say: receives lines of progress.
      labels: the labels.npz of another run to train on; None: the recipe's own draw.

    Returns:
      The contents of result.json.

    Raises:
      UserError: whatever the user can mend; nothing is written for a recipe that cannot run.
      Stopped: a signal came; everything is saved.
    """
    recipe.validate(config)
    config, folder = recipe.resolved(config), path_of(folder, "the workdir")
    inputs = [config.data.file, config.noise.file, config.model.pretrained]
    hosts.from_first(lambda: workdir.check_layout(folder, inputs))
    if finished := hosts.from_first(lambda: _finished(folder, config, say)):
        say(f"{folder}: {config.method} is already trained")
        return finished
    begun, own = workdir.begun(folder), folder / "labels.npz"
    labels = own if own.exists() else labels
    config, dataset = prepare(config, say, begun=begun, workdir=folder, labels=labels)
    workdir.check_labels(folder, dataset.description["labels_digest"])
    devices = parallel.Devices(config.train.devices)
    feasible.check(config, dataset, devices)
    executor = Executor(config, dataset, devices)
    if not initial.has_checkpoint(folder):
        executor.begin(say)
    elif other := workdir.other_machine(folder):
        say(other)
    with workdir.claimed(folder, config), Interrupt() as interrupt:
        hosts.from_first(lambda: _describe(folder, config, dataset, executor))
        found = Trainer(config, folder, dataset, executor, interrupt, say).run()
        if asked := hosts.loudest(interrupt.asked):
            name = hosts.signal_name(asked)
            raise Stopped(f"stopped by {name} after {config.method} was trained")
        return found


def _finished(folder: Path, config: ConfigDict, say: Say) -> dict[str, Any] | None:
    """result.json of a run of this recipe; no image is looked at for it.

    Where the files of the end are damaged, training goes on from the last checkpoint, which is the
    end, and writes them again.
    """
    try:
        found = workdir.finished(folder)
    except UserError as error:
        damage = str(error).partition(";")[0]  # without what else would help
        if not initial.has_checkpoint(folder):
            raise UserError(
                f"{damage}, and no checkpoint is left to restore it from; delete result.json to "
                "train again, or take another workdir"
            ) from None
        say(f"{damage}: restored from the last checkpoint")
        return None
    if found:
        before = workdir.begun(folder) or {}
        workdir.check_recipe(folder, auto.resolve_as_begun(config, before))
        if all(map(os.path.exists, filter(None, (config.data.dir, config.data.file)))):
            workdir.moved(folder, config.data.dir, config.data.file)
    return found


def _describe(folder: Path, config: ConfigDict, dataset: Dataset, executor: Executor) -> None:
    workdir.describe(folder, config)
    if not (folder / "labels.npz").exists():
        dataset.save(folder / "labels.npz")
    if dataset.manifest is not None:
        dataset.manifest.write(folder / "manifest.csv")
    normalised = {
        "channel_mean": list(executor.augment.mean),
        "channel_std": list(executor.augment.std),
    }
    write_text(folder / "data.json", json.dumps(dataset.description | normalised, indent=1))


@dataclasses.dataclass
class Position:
    """How far training is: `step` steps into phase `phase` of epoch `epoch`, from 0.

    `checkpoint` is the number of the last one, which is the number of updates, or one more where
    that is taken: a stop in the last step of an epoch is followed by the epoch's own checkpoint.
    """

    epoch: int = 0
    phase: int = 0
    step: int = 0
    sums: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    checkpoint: int = -1
    seconds: float = 0.0  # of the loop so far, evaluation and saving too, all processes together
    images: int = 0  # of the main streams, trained on so far
    device: float = 0.0  # of the seconds, those in dispatches and waiting for them


class Trainer:
    """One run."""

    def __init__(
        self,
        config: ConfigDict,
        folder: Path,
        dataset: Dataset,
        executor: Executor,
        interrupt: Interrupt,
        say: Say,
    ):
        self.config, self.folder, self.dataset = config, folder, dataset
        self.executor, self.interrupt, self.say = executor, interrupt, say
        self.memory = executor.method.init_memory()
        owner = Owner.of(config, dataset.description["labels_digest"])
        self.checkpoints = Checkpoints(folder, config.train.keep, owner)
        self.rows: list[writer.Row] = []  # of metrics.jsonl, so far
        self.at = Position()
        self.asked = 0  # the number of a signal that all processes know of
        self._journal: list[Observation] = []
        self._run: EpochRun | None = None  # the last epoch's
        self._evaluated: result.Evaluation | None = None

    def run(self) -> dict[str, Any]:
        # Continue
        self._restore()
        log = writer.Writer(self.folder, self.rows, self.at.epoch)
        self.rows = log.rows
        progress = Progress(self.config, self.at.epoch, self.say)
        self.say(self._headline())
        self._count_time(start=True)
        try:
            # Epochs
            while self.at.epoch < self.config.train.epochs:
                values = self._epoch()
                if self._evaluation_due:
                    values |= self._evaluate()
                log.write(self.at.epoch, values)
                progress.show(self.at.epoch, values)
                self._save_if_due()
                self._stop_if_asked()
        finally:
            log.close()
            self.checkpoints.close()
        # Result
        if self._evaluated is None:
            self._evaluate()
        return hosts.from_first(self._result)

    def _result(self) -> dict[str, Any]:
        at = self.at
        return result.write(
            self.folder,
            self.config,
            self.dataset,
            self._evaluated,
            self.executor.method.instruments(self.executor.nets, self.memory),
            result.Effort(at.seconds, at.device, at.images),
            self.rows,
        )

    def _headline(self) -> str:
        about, devices = self.dataset.description, self.executor.devices
        size = parameter_overview.count_parameters(self.executor.nets[0].params)
        wrong = "their labels in doubt"
        if self.dataset.truth_known:
            noise = about["noise"]
            wrong = f"{100 * noise['realised']:.1f} % of the labels wrong ({noise['name']})"
        return (
            f"{self.config.method} on {about['dataset']}: {about['num_train']:,} images of "
            f"{len(about['class_names'])} classes, {wrong}; {self.config.model.name}, {size:,} "
            f"parameters, on {devices.count} {devices.platform}"
        )

    @property
    def _evaluation_due(self) -> bool:
        """Each so many epochs, and in the last ten, whose mean is reported."""
        last = self.at.epoch > self.config.train.epochs - result.LAST
        return last or self.at.epoch % self.config.train.eval_every == 0

    @property
    def _at_end(self) -> bool:
        return self.at.epoch == self.config.train.epochs

    # An epoch ----------------------------------------------------------------------------------

    def _epoch(self) -> dict[str, float]:
        """Trains to the end of the epoch; returns what is logged of it."""
        began = time.perf_counter()
        at, epoch, images_before = self.at, self.at.epoch, self.at.images
        before = copy.deepcopy(self.memory)  # what a checkpoint inside the epoch starts from
        run, sums = EpochRun(self, epoch, self._journal), Sums(at.sums)
        lr = learning_rate(self.config, epoch)
        for number, phase in enumerate(self.executor.method.epoch(run)):
            if number < at.phase:
                continue
            start = at.step if number == at.phase else 0
            size = next(iter(phase.streams.values())).batch_size
            sweep = self.executor.sweep(
                phase, epoch, number, lr, sums, start, say=lambda: self.interrupt.asked
            )
            for done in sweep:
                at.images, start = at.images + (done - start) * size, done
                # Alone, a process need not wait until its own word comes back.
                self.asked = self.executor.heard if hosts.several() else self.interrupt.asked
                if self.asked:
                    self.executor.settle()
                    at.phase, at.step, at.sums = number, done, sums.values
                    self._save(before, run.journal)
                    self.checkpoints.seal(wait=True)
                    self._stop_if_asked()
        self.executor.exchange()
        if self.executor.devices.count > 1:
            alike = [net.without_samples() for net in self.executor.nets]
            parallel.assert_replicated((alike, self.memory))
        self.asked = hosts.loudest(self.interrupt.asked)
        self._run, self._journal = run, []
        seconds = time.perf_counter() - began
        at.epoch, at.phase, at.step, at.sums = epoch + 1, 0, 0, {}
        rate = (at.images - images_before) / seconds
        return {
            "lr": lr,
            **{f"train/{name}": value for name, value in sums.means().items()},
            **run.logged,
            "time/seconds": seconds,
            "time/images_per_second": rate,
        }

    def _count_time(self, start: bool = False) -> None:
        """Adds the time since the last call to the run's; of it, what was the devices'."""
        now, device = time.perf_counter(), self.executor.seconds_on_device
        if not start:
            self.at.seconds += now - self._counted[0]
            self.at.device += device - self._counted[1]
        self._counted = (now, device)

    def _evaluate(self) -> dict[str, float]:
        """Test accuracy and calibration, and how well the wrong labels are found."""
        dataset, method = self.dataset, self.executor.method
        logits = self.executor.test_logits().astype(np.float64)
        probs = np.exp(logits - logits.max(1, keepdims=True))
        probs /= probs.sum(1, keepdims=True)
        truth = dataset.test.labels
        predicted, classes = probs.argmax(1), dataset.train.num_classes
        found = metrics.accuracy(predicted, truth, classes, dataset.groups)
        found["ece"] = expected_calibration_error(probs, truth)
        by_class = metrics.class_accuracy(predicted, truth, classes)
        run = self._run or EpochRun(self, self.at.epoch)
        score, suggested = method.judge(run)
        labels = self._score_labels(score, suggested) if dataset.truth_known else {}
        self._evaluated = result.Evaluation(found, labels, by_class, probs, score, suggested)
        values = {f"test/{k}": v for k, v in found.items()} | self._score_holdout()
        return values | {f"labels/{k}": v for k, v in labels.items()}

    def _score_labels(self, score: np.ndarray, suggested: np.ndarray) -> dict[str, float]:
        """How well the wrong labels are found, where it is known which they are."""
        dataset, method = self.dataset, self.executor.method
        given, clean, groups = dataset.train.given, dataset.clean, dataset.groups
        found = metrics.wrong_labels(score, given, clean, groups)
        found |= metrics.suggestions(suggested, given, clean, groups)
        estimate = method.instruments(self.executor.nets, self.memory).get("transition_estimate")
        if estimate is not None:
            realised = np.array(dataset.description["transition"], np.float64)  # null becomes nan
            found["transition_distance"] = metrics.transition_distance(estimate, realised)
        return found

    def _score_holdout(self) -> dict[str, float]:
        """Agreement with the noisy labels held out: what settings may be chosen by."""
        given = self.dataset.holdout.given
        if not len(given):
            return {}
        predicted = self.executor.holdout_logits().argmax(1)
        by_class = metrics.class_accuracy(predicted, given, self.dataset.train.num_classes)
        agreement = 100 * float(np.mean(predicted == given))
        return {"holdout/accuracy": agreement, "holdout/class_mean": float(np.nanmean(by_class))}

    # Checkpoints -------------------------------------------------------------------------------

    def _restore(self) -> None:
        target = {"nets": self.executor.whole_nets(), "memory": self.memory}
        restored = self.checkpoints.restore(target)
        if restored is None:
            return
        tree, meta, step = restored
        self.executor.place(tree["nets"])
        self.memory = tree["memory"]
        journal = tree.get("journal", {})
        self._journal = [journal[str(n)] for n in range(len(journal))]
        self.rows = self._rows_of(meta.pop("rows", None), meta["epoch"])
        self.at = Position(**meta)
        if self.at.epoch < self.config.train.epochs:
            self.say(f"continuing after epoch {self.at.epoch} from checkpoint {step}")

    def _save_if_due(self) -> None:
        """At a stop and at the end all processes wait until it is written."""
        last = self._at_end or bool(self.asked)
        if last or self.at.epoch % self.config.train.checkpoint_every == 0:
            self._save(self.memory, [])
        self.checkpoints.seal(wait=last)

    def _save(self, memory: dict[str, np.ndarray], journal: list[Observation]) -> None:
        tree: dict[str, Any] = {"nets": self.executor.whole_nets(), "memory": memory}
        if journal:
            tree["journal"] = {str(n): seen for n, seen in enumerate(journal)}
        updates = sum(int(net.step) for net in self.executor.nets)
        self.at.checkpoint = max(updates, self.at.checkpoint + 1)
        self._count_time()
        rows = [*self.rows]  # a copy: they are written in the background, and more will follow
        meta = dataclasses.asdict(self.at) | {"rows": rows}
        self.checkpoints.save(self.at.checkpoint, tree, meta)

    def _rows_of(self, rows: list[writer.Row] | None, epochs: int) -> list[writer.Row]:
        """The lines of metrics.jsonl up to a checkpoint: its own, or the file's where an older
        version wrote it."""
        if rows is None:
            rows = hosts.from_first(lambda: writer.read(self.folder))
            rows = [row for row in rows if row["epoch"] <= epochs]
        if missing := set(range(1, epochs + 1)) - {row["epoch"] for row in rows}:
            raise UserError(
                f"{self.folder / 'metrics.jsonl'}: the line of epoch {min(missing)} is lost, and "
                "the checkpoint is of a version that did not keep it; train in another workdir"
            )
        return rows

    def _stop_if_asked(self) -> None:
        if self.asked and not self._at_end:
            raise Stopped(
                f"stopped by {hosts.signal_name(self.asked)} in epoch {self.at.epoch + 1}, saved; "
                "the same command continues"
            )
