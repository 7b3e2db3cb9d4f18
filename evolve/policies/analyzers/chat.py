"""The analyzer as a chat with the model of the role `analyzer`."""

from studbook.evolve.policies.analyzer import ChatAnalyzer

plugin = ChatAnalyzer
