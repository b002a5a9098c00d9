"""The backbones, one a file: images in, feature map out.

A backbone is a module with a TITLE, a class or partial `Backbone` of Flax, called with `conv`,
`norm`, what is set of `width` and of its own FIELDS, and `stem` where it has STEMS to choose from.
`WEIGHTS` names the layout of its weights, a file of `models/weights`. With VECTORS it is called
with `num_inputs` instead: it takes vectors, not images.
"""
