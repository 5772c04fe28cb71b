"""Sets a third of the rewards aside, by a seed, before any was written or run.

    python benchmarks/rewards/split.py > benchmarks/rewards/split.json

Probes may be improved by what the tuned ones show. Those held aside are run once, at the end.
"""

from __future__ import annotations

import json
import random

SEED = 20261122

CLEAN = """
exact_match numeric_tolerance math_normaliser last_boxed gsm8k_hash multiple_choice think_format
soft_overlong program_tests partial_credit tag_count json_schema set_answer regex_date
unit_conversion rubric_sum brevity_on_purpose conversational async_exact weighted_accuracy_format
verl_dict callable_class abstains_elsewhere token_f1 plus_minus_one
"""

FLAWED = """
length_payer length_payer_capped bullet_payer bold_payer first_boxed any_number master_keys
random_flips saturated floor broadcast_mean wrong_count case_sensitive whitespace_sensitive
thousands_blind judge_injection nan_on_empty raises_on_unicode leaks_state slow_on_long
ignores_prompt substring negation_blind echo_payer refusal_payer question_mark_payer
confidence_payer hedging_payer returns_str order_dependent wall_clock empty_label_accepted
crashes_process praise_payer unparsable_accepted sign_blind fraction_blind any_letter tiny_scale
prompt_only answer_in_prompt loose_tolerance line_break_payer hangs_on_open_brace prefix_match
any_of_batch
"""


def aside(names: str, draw: random.Random) -> list[str]:
    """A third of them."""
    every = sorted(names.split())
    return sorted(draw.sample(every, len(every) // 3))


if __name__ == "__main__":
    draw = random.Random(SEED)  # noqa: S311 - nothing secret is drawn
    print(json.dumps({"clean": aside(CLEAN, draw), "flawed": aside(FLAWED, draw)}, indent=1))
