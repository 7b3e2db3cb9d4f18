"""The doors of the search: where a spec may name a policy of the user's own.

The Protocols are in `contracts.py`.
"""

from studbook.evolve.contracts import AdmissionRule, Analyzer, Implementer, KnobProposer, Selection
from studbook.registry import Door

POLICIES = "studbook.evolve.policies"

SELECTION = Door[Selection]("selection", ["select"], [f"{POLICIES}.selection"], takes_function=True)
ADMISSION = Door[AdmissionRule]("admission", ["rule"], [f"{POLICIES}.admission"], takes_function=True)
ANALYZER = Door[Analyzer]("analyzer", ["analyze"], [f"{POLICIES}.analyzers"])
IMPLEMENTER = Door[Implementer]("implementer", ["implement"], [f"{POLICIES}.implementers"])
KNOBS = Door[KnobProposer]("knobs", ["propose"], [f"{POLICIES}.knob_proposers"], takes_function=True)
