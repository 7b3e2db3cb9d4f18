"""The implementer as a dialogue with the model of the role `implementer`."""

from studbook.evolve.policies.implementer import ChatImplementer

plugin = ChatImplementer
