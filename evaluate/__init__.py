"""How good a harness is: papers, rubric scoring, acceptance, the evaluator and the sandbox around the harness."""
