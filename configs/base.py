"""Every field of a recipe, with its default and what it does.

A recipe imports this and states its differences:

    config = base.get_config()
    config.data.name = "cifar100"

Any field can be set on the command line: `--config.optim.lr=0.05`. A field that reads
`config.get_oneway_ref("seed")` follows `--config.seed` unless it is set itself.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """The base recipe: DULL on the digits, none of it tuned for anything."""
    config = ConfigDict()
    config.method = "dull"  # a file of dull_jax/methods
    config.variant = ""  # a name for this setting of the method in tables of results
    config.compare = ()  # methods trained beside it on the same arrays, below workdir/compare
    config.seed = 0  # of everything: subset, noise, initial weights, batches, augmentation
    config.init = ""  # workdir of another run whose backbone a fresh run starts from

    config.data = ConfigDict()
    config.data.name = "digits"  # digits, cifar10, cifar100, another TFDS set in ArrayRecord, or
    # your own images: folder, csv, clothing1m, webvision
    config.data.dir = ""  # of TFDS data (empty: $TFDS_DATA_DIR, else ~/tensorflow_datasets), or of
    # your own images
    config.data.file = ""  # csv: the table of paths and labels
    config.data.size = 0  # own images: side in pixels; 0: chosen by how large the images are
    config.data.fit = "crop"  # own images: crop (centre), pad (black borders) or stretch
    config.data.on_error = "skip"  # own images: what cannot be read is skipped and listed, or: fail
    config.data.test_share = 0.2  # own images without a test part: about this share is held out
    config.data.resident_gb = 4.0  # images of up to so much memory are held on the device
    config.data.profile = "exponential"  # long tail: exponential, step, or none (all images)
    config.data.imbalance_factor = 10.0  # images of the largest class per image of the rarest
    config.data.max_count = 0  # images of the largest class; 0: as many as every class has
    config.data.seed = config.get_oneway_ref("seed")  # which images of a class are kept
    config.data.holdout = 0.0  # share of the noisy train set kept out, to choose settings with
    config.data.groups = "auto"  # head/medium/tail: rank (30/40/30 % of the classes), counts, auto

    config.noise = ConfigDict()
    config.noise.name = "t2h"  # t2h, symmetric, asymmetric, joint, tabasco_*, file, none
    config.noise.rate = 0.3  # share of all labels that end up wrong
    config.noise.seed = config.get_oneway_ref("seed")  # tabasco_*: 25 is the published draw
    config.noise.cap = 0.6  # t2h: largest share of a class that loses its label
    config.noise.profile = "tailness"  # t2h: share grows with tailness, or uniform
    config.noise.destination = "frequency"  # t2h: towards frequent classes, or similar ones
    config.noise.temperature = 0.1  # t2h, destination=similar: of the class similarity (cosine)
    config.noise.which = "uniform"  # t2h: which images of a class: uniform or confusing
    config.noise.file = ""  # noise "file": CSV, JSON or .npy with the given labels
    config.noise.join = "id"  # noise "file": joined by sample id, or by position

    config.augment = ConfigDict()
    config.augment.crop_pad = 4  # weak view: pixels of zero padding before the random crop
    config.augment.flip = True  # weak view: horizontal flip
    config.augment.strong = "randaugment"  # strong view: randaugment or autoaugment
    config.augment.num_ops = 2  # RandAugment: operations per image
    config.augment.magnitude = 10  # RandAugment: strength of an operation
    config.augment.cutout = 16  # strong view: side of the square cut out, pixels; 0: none

    config.model = ConfigDict()
    config.model.name = "small_cnn"  # small_cnn, resnet_small, preact_resnet18, resnet18, resnet50
    config.model.pretrained = ""  # resnet18, resnet50: a timm safetensors file to start from
    config.model.stem = "cifar"  # cifar (3x3) or imagenet (7x7 and max pool)
    config.model.norm = "batch"  # batch (over the global batch) or group
    config.model.width = 0  # channels of the first stage; 0: the network's own
    config.model.stages = 0  # small_cnn: convolutions, the image halved between them; 0: three
    config.model.dtype = "float32"  # of the computation: float32 or bfloat16
    config.model.projector = 128  # output size of the projector, where a method has one
    config.model.channels_per_class = 4  # disentangled: at least so many channels a class

    config.train = ConfigDict()
    config.train.epochs = 100
    config.train.batch_size = 128  # global: more devices means smaller shards
    config.train.view = "weak"  # what the network trains on: plain, weak, strong
    config.train.devices = 0  # how many to use; 0: all. A CPU counts as one, unless more are asked
    config.train.steps_per_dispatch = 0  # 0: 1 on CPU, 16 on accelerators
    config.train.eval_every = 1  # epochs between evaluations; the last is always evaluated
    config.train.eval_batch_size = 500  # of evaluation passes, global
    config.train.checkpoint_every = 5  # epochs between checkpoints; the last is always kept
    config.train.keep = 2  # checkpoints kept

    config.optim = ConfigDict()
    config.optim.name = "sgd"  # sgd or adamw
    config.optim.lr = 0.1  # peak learning rate
    config.optim.momentum = 0.9
    config.optim.nesterov = False
    config.optim.weight_decay = 5e-4
    config.optim.decay = "kernels"  # what decays: kernels only, or all parameters
    config.optim.schedule = "cosine"  # over epochs: cosine, step, constant
    config.optim.warmup_epochs = 0  # linear warm-up of the learning rate
    config.optim.milestones = ()  # step: shares of training after which lr is multiplied by gamma
    config.optim.gamma = 0.1
    config.optim.clip_norm = 0.0  # global gradient norm; 0: no clipping
    config.optim.ema = 0.0  # decay per step of averaged weights, used for prediction; 0: none

    config.la = ConfigDict()
    config.la.tau = 1.0  # strength of logit adjustment

    config.ldam_drw = ConfigDict()
    config.ldam_drw.max_margin = 0.5  # of the rarest class; the others' fall with count^(-1/4)
    config.ldam_drw.scale = 30.0  # of the cosine logits
    config.ldam_drw.reweight_from = 0.8  # share of the epochs before classes are weighted
    config.ldam_drw.beta = 0.9999  # of the effective numbers that the weights come from

    config.elr = ConfigDict()
    config.elr.beta = 0.7  # averaging of the targets over epochs
    config.elr.weight = 3.0  # lambda of the regulariser

    config.co_teaching = ConfigDict()
    config.co_teaching.forget_rate = -1.0  # share of a batch left out; -1: config.noise.rate
    config.co_teaching.ramp = 10  # epochs until it is reached

    config.rolt = ConfigDict()
    config.rolt.soften_from = 0.4  # share of the epochs before doubted labels are softened
    config.rolt.decay = 0.6  # averaging of the predictions over epochs
    config.rolt.reweight_from = 1.0  # share of the epochs before RoLT-DRW's last part; 1: never
    config.rolt.beta = 0.9999  # of its class weights

    config.semisup = ConfigDict()  # MixMatch as in DivideMix: dividemix, sfa, tabasco, dasc
    config.semisup.warmup = 10  # epochs of plain training before the split
    config.semisup.threshold = 0.5  # P(clean) above which a sample counts as labelled
    config.semisup.temperature = 0.5  # sharpening of guessed labels
    config.semisup.alpha = 4.0  # mixup: Beta(alpha, alpha)
    config.semisup.lambda_u = 25.0  # weight of the unlabelled loss
    config.semisup.ramp = 16  # epochs after warm-up until lambda_u is reached

    config.dividemix = ConfigDict()
    config.dividemix.penalty = False  # confidence penalty in warm-up (asymmetric noise)
    config.dividemix.history = 1  # epochs the losses are averaged over before the split (5 at 90 %)

    config.sfa = ConfigDict()
    config.sfa.beta = 0.99  # averaging of the centroids over epochs
    config.sfa.phi = 1.005  # confidence needed: phi^epoch / K
    config.sfa.sample_above = 300  # confident samples a class needs for its centre to be drawn
    config.sfa.ema_persist = True  # False: the released code's average, forgotten every epoch

    config.dasc = ConfigDict()
    config.dasc.phi = 1.005  # confidence needed by a sample to shape centroids: phi^epoch / K
    config.dasc.temperature = 0.1  # of the predictions that weigh samples in centroids
    config.dasc.confidence = 0.9  # of a target: above for SBCL, below for MIDL
    config.dasc.sbcl = 0.5  # weight of the semi-supervised balanced contrastive loss
    config.dasc.sbcl_temperature = 0.1  # of its similarities
    config.dasc.sbcl_from = 10  # epoch of the warm-up from which it is trained
    config.dasc.midl = 0.3  # weight of mixup-enhanced instance discrimination
    config.dasc.midl_temperature = 0.5  # of its similarities
    config.dasc.midl_target = "positive"  # or released: the code's target, row i -> column i
    config.dasc.bank = 1024  # mixed features kept as negatives
    config.dasc.weights = "aligned"  # or released: P(clean) by position in the labelled set

    config.self_supervised = ConfigDict()  # stage 1 of two-stage learning; labels unused
    config.self_supervised.variant = "simsiam"  # simsiam or moco
    config.self_supervised.knn_every = 10  # epochs between looks at the neighbours; 0: never
    config.self_supervised.queue = 4096  # moco: keys kept as negatives; always fewer than images
    config.self_supervised.momentum = 0.99  # moco: averaging of the key encoder over steps
    config.self_supervised.temperature = 0.2  # moco: of the similarities

    config.two_stage = ConfigDict()  # stage 2; stage 1 comes by config.init
    config.two_stage.loss = "la_superloss"  # la_superloss, superloss, la or ce
    config.two_stage.tau = 1.0  # strength of logit adjustment
    config.two_stage.weigh_by = "plain"  # SuperLoss: the loss that is judged: plain or adjusted
    config.two_stage.threshold = "log_classes"  # of easy and hard: log_classes, or mean (running)
    config.two_stage.regulariser = 1.0  # SuperLoss: lambda; a smaller one tells easy from hard more
    config.two_stage.probe_epochs = 0  # the first epochs, in which only the classifier learns
    config.two_stage.probe_only = False  # a linear probe: the backbone never learns

    config.dull = ConfigDict()
    config.dull.warmup = 0.3  # share of the epochs before labels are doubted
    config.dull.ramp = 0.2  # share of the epochs over which unlearning and candidates grow
    config.dull.memory = 0.9  # averaging of the teacher's predictions over epochs
    config.dull.tau = 1.0  # logit adjustment by the estimated true class shares
    config.dull.ifd = True  # inner-feature disentangling; without it G is empty and ifpu idle
    config.dull.ifd_weight = 0.5  # of the gated path's cross entropy
    config.dull.gate_weight = 0.1  # of the sparsity of the channel-class matrix
    config.dull.gate_lr = 10.0  # learning rate of G relative to the network's
    config.dull.gate = "csg"  # projection of G: csg (row maximum 1) or sinkhorn (column quota)
    config.dull.ifpu = True  # inner-feature partial unlearning
    config.dull.unlearn = 1.0  # its strength u
    config.dull.aml = True  # adaptive multi-labels; off: the given label stays the target
    config.dull.candidate_mass = (0.5, 0.9)  # probability the candidate set holds: start, end
    config.dull.neighbours = True  # the posterior also hears the neighbours (to 25,000 images)
    config.dull.h2t = True  # head-to-tail transfer
    config.dull.h2t_share = 0.5  # size of its stream relative to the batch
    config.dull.h2t_mix = "cutmix"  # cutmix or mixup
    config.dull.h2t_repeats = 3.0  # draws an epoch of a sample in that stream, on average, at most
    config.dull.h2t_power = 0.25  # k of the label share
    config.dull.transition = "structured"  # of the posterior: structured, free (EM), or none
    config.dull.transition_strength = 0.1  # free, none: pseudo-counts, as a share of a class's size
    return config
