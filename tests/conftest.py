"""What all tests share: how much Hypothesis looks for counterexamples."""

from hypothesis import HealthCheck, Phase, settings

# The oracle is made of plain loops: a slow example says nothing about the code under test,
# and to explain a failure takes longer than to find it.
settings.register_profile(
    "convcli",
    deadline=None,
    max_examples=60,
    phases=[phase for phase in Phase if phase is not Phase.explain],
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "thorough", settings.get_profile("convcli"), derandomize=False, max_examples=2000
)
settings.load_profile("convcli")
