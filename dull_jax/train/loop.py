"""The loop: epochs, evaluation, checkpoints; read from top to bottom.

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
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from clu import parameter_overview

from dull_jax.data.vectors.vector_files import VectorFiles
from dull_jax.errors import Stopped, UserError
from dull_jax.files import Path
from dull_jax.methods.base import Phase
from dull_jax.optim import learning_rate
from dull_jax.run_dir import layout
from dull_jax.run_dir.read import read_metrics
from dull_jax.train import embedding_map, evaluate, hosts, parallel, result, writer
from dull_jax.train.checkpoint import Checkpoints
from dull_jax.train.epoch_lines import Progress
from dull_jax.train.epoch_run import EpochRun, Observation
from dull_jax.train.identity import Owner
from dull_jax.train.interrupt import Interrupt
from dull_jax.train.learner import Learner
from dull_jax.train.train_phase import MetricAccumulator

Say = Callable[[str], None]


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
    epoch_seconds: float = 0.0  # of an epoch that was stopped inside: what it has taken so far
    epoch_images: int = 0


class Loop:
    """One run."""

    def __init__(self, folder: Path, learner: Learner, interrupt: Interrupt, say: Say):
        self.folder, self.learner, self.interrupt, self.say = folder, learner, interrupt, say
        self.config, self.dataset = learner.config, learner.dataset
        self.memory = learner.method.init_memory()
        owner = Owner.of(self.config, self.dataset.description["labels_digest"])
        self.checkpoints = Checkpoints(folder, self.config.train.keep, owner)
        self.rows: list[writer.Row] = []  # of metrics.jsonl, so far
        self.at = Position()
        self.stop_signal = 0  # the number of one that all processes know of
        self._journal: list[Observation] = []
        self._run: EpochRun | None = None  # the last epoch's
        self._evaluated: result.Evaluation | None = None

    def run(self) -> dict[str, Any]:
        # Continue
        self._restore()
        log = writer.Writer(self.folder, self.rows, self.at.epoch)
        self.rows = log.rows
        progress = Progress(self.config, self.at.epoch, self.say, self.at.epoch_seconds)
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
                self._stop_if_signalled()
        finally:
            log.close()
            self.checkpoints.close()
        # Result
        if self._evaluated is None:
            self._evaluate()
        embeddings = embedding_map.embeddings(self.learner)  # a pass of all processes
        return hosts.from_first(lambda: self._result(embeddings))

    def _result(self, embeddings: np.ndarray | VectorFiles | None) -> dict[str, Any]:
        at = self.at
        return result.write(
            self.folder,
            self.config,
            self.dataset,
            self._evaluated,
            self.learner.method.diagnostics(self.learner.networks.states, self.memory),
            embeddings,
            result.Effort(at.seconds, at.device, at.images),
            self.rows,
        )

    def _headline(self) -> str:
        about, devices = self.dataset.description, self.learner.devices
        size = parameter_overview.count_parameters(self.learner.networks.states[0].params)
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
        at, epoch = self.at, self.at.epoch
        self._epoch_began = time.perf_counter() - at.epoch_seconds
        before = copy.deepcopy(self.memory)  # what a checkpoint inside the epoch starts from
        run, sums = EpochRun(self, epoch, self._journal), MetricAccumulator(at.sums)
        lr = learning_rate(self.config, epoch)
        for number, phase in enumerate(self.learner.method.epoch(run)):
            if number >= at.phase:
                self._train_phase(number, phase, run, lr, sums, before)
        self.learner.networks.exchange()
        if self.learner.devices.count > 1:
            alike = [net.without_samples() for net in self.learner.networks.states]
            parallel.assert_replicated((alike, self.memory))
        self.stop_signal = hosts.stop_signal(self.interrupt.signal)
        self._run, self._journal = run, []
        seconds, images = time.perf_counter() - self._epoch_began, at.epoch_images
        at.epoch, at.phase, at.step, at.sums = epoch + 1, 0, 0, {}
        at.epoch_seconds, at.epoch_images = 0.0, 0
        return {
            "lr": lr,
            **{f"train/{name}": value for name, value in sums.means().items()},
            **run.logged,
            "time/seconds": seconds,
            "time/images_per_second": images / seconds,
        }

    def _train_phase(
        self,
        number: int,
        phase: Phase,
        run: EpochRun,
        lr: float,
        sums: MetricAccumulator,
        before: dict[str, np.ndarray],
    ) -> None:
        """Trains through a phase; a signal is followed by a checkpoint inside the epoch.

        Args:
          before: the memory at the epoch's start.
        """
        at, phases = self.at, self.learner.phases
        start = at.step if number == at.phase else 0
        size = next(iter(phase.streams.values())).batch_size
        for done in phases.train_phase(
            phase, at.epoch, number, lr, sums, start, lambda: self.interrupt.signal
        ):
            at.images += (done - start) * size
            at.epoch_images += (done - start) * size
            start = done
            # Alone, a process need not wait until its own signal comes back.
            self.stop_signal = phases.stop_signal if hosts.several() else self.interrupt.signal
            if self.stop_signal:
                phases.drain()
                at.phase, at.step, at.sums = number, done, sums.values
                at.epoch_seconds = time.perf_counter() - self._epoch_began
                self._save(before, run.journal)
                self.checkpoints.seal(wait=True)
                self._stop_if_signalled()

    def _count_time(self, start: bool = False) -> None:
        """Adds the time since the last call to the run's; of it, what was the devices'."""
        now, device = time.perf_counter(), self.learner.devices.seconds
        if not start:
            self.at.seconds += now - self._counted[0]
            self.at.device += device - self._counted[1]
        self._counted = (now, device)

    def _evaluate(self) -> dict[str, float]:
        run = self._run or EpochRun(self, self.at.epoch)
        self._evaluated, values = evaluate.evaluate(self.learner, run)
        return values

    # Checkpoints -------------------------------------------------------------------------------

    def _restore(self) -> None:
        target = {"nets": self.learner.networks.whole(), "memory": self.memory}
        restored = self.checkpoints.restore(target)
        if restored is None:
            return
        tree, meta, step = restored
        self.learner.networks.place(tree["nets"])
        self.memory = tree["memory"]
        journal = tree.get("journal", {})
        self._journal = [journal[str(n)] for n in range(len(journal))]
        self.rows = self._rows_of(meta.pop("rows", None), meta["epoch"])
        self.at = Position(**meta)
        if self.at.epoch < self.config.train.epochs:
            self.say(f"continuing after epoch {self.at.epoch} from checkpoint {step}")

    def _save_if_due(self) -> None:
        """At a stop and at the end all processes wait until it is written."""
        last = self._at_end or bool(self.stop_signal)
        if last or self.at.epoch % self.config.train.checkpoint_every == 0:
            self._save(self.memory, [])
        self.checkpoints.seal(wait=last)

    def _save(self, memory: dict[str, np.ndarray], journal: list[Observation]) -> None:
        tree: dict[str, Any] = {"nets": self.learner.networks.whole(), "memory": memory}
        if journal:
            tree["journal"] = {str(n): seen for n, seen in enumerate(journal)}
        updates = sum(int(net.step) for net in self.learner.networks.states)
        self.at.checkpoint = max(updates, self.at.checkpoint + 1)
        self._count_time()
        rows = [*self.rows]  # a copy: they are written in the background, and more will follow
        meta = dataclasses.asdict(self.at) | {"rows": rows}
        self.checkpoints.save(self.at.checkpoint, tree, meta)

    def _rows_of(self, rows: list[writer.Row] | None, epochs: int) -> list[writer.Row]:
        """The lines of metrics.jsonl up to a checkpoint: its own, or the file's where an older
        version wrote it."""
        if rows is None:
            rows = hosts.from_first(lambda: read_metrics(self.folder)[0])
            rows = [row for row in rows if row["epoch"] <= epochs]
        if missing := set(range(1, epochs + 1)) - {row["epoch"] for row in rows}:
            raise UserError(
                f"{self.folder / layout.METRICS}: the line of epoch {min(missing)} is lost, and "
                "the checkpoint is of a version that did not keep it; train in another workdir"
            )
        return rows

    def _stop_if_signalled(self) -> None:
        if self.stop_signal and not self._at_end:
            name, epoch = hosts.signal_name(self.stop_signal), self.at.epoch + 1
            raise Stopped(f"stopped by {name} in epoch {epoch}, saved; the same command continues")
