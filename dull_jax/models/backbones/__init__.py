"""The backbones, one a file: images in, feature map out.

A backbone is a module with a TITLE, a class or partial `Backbone` of Flax, called with `conv`,
`norm`, what is set of `width` and of its own FIELDS, and `stem` where it has STEMS to choose from.
`PRETRAINED` says that `models.pretrained` knows its weights.
"""
