"""How good a harness is: papers, rubric scoring, acceptance, the evaluator, the sandbox around it."""
