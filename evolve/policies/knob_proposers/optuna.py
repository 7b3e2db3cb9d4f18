"""Knob values from an Optuna sampler that is fed with all evaluations so far."""

from studbook.evolve.policies.knobs import KnobSampler

plugin = KnobSampler
